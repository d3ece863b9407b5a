"""What is read of a request: limits, sessions, labels, and whose it is."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

import warmroute
from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.neutral import NeutralRequest
from route.dialects.responses import RESPONSES
from route.errors import BadRequest
from route.request.parse import (
    MAX_LABEL,
    origin_of_refused,
    storable,
)
from route.request.preference import Preference
from route.request.translation import Translator
from tests.route.build import KEY, Json, body, config, request

LIMIT_FIELDS: list[tuple[Dialect, str]] = [
    (CHAT, "max_tokens"),
    (CHAT, "max_completion_tokens"),
    (MESSAGES, "max_tokens"),
    (RESPONSES, "max_output_tokens"),
]


@pytest.mark.parametrize(("dialect", "field"), LIMIT_FIELDS, ids=lambda value: getattr(value, "name", value))
def test_what_the_caller_allows_the_answer_is_read(dialect: Dialect, field: str) -> None:
    """A positive whole number; anything else is no limit of ours to know."""
    for said, limit in ((1, 1), (4096, 4096), (0, None), (-1, None), (1.0, None), (True, None), ("9", None)):
        asked: Json = {"messages": [], "input": [], field: said}
        assert request(asked, dialect=dialect).features.output_limit == limit
    assert request({"messages": [], "input": []}, dialect=dialect).features.output_limit is None


def test_of_two_limits_the_newer_name_counts() -> None:
    """Chat completions have both; the older is for those who do not say the newer."""
    assert request(body(max_completion_tokens=10, max_tokens=20)).features.output_limit == 10
    assert request(body(max_completion_tokens=None, max_tokens=20)).features.output_limit == 20
    assert request({"input": "hi", "max_tokens": 5}, dialect=EMBEDDINGS).features.output_limit is None


def test_a_body_is_read_once_for_all_who_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules, guards and every translation share it, also of a copy; only another body is read anew."""
    assert CHAT.conversion is not None
    times: list[Json] = []
    read = CHAT.conversion.read_request

    def counting(self: object, body: Json) -> NeutralRequest:
        times.append(body)
        return read(body)

    monkeypatch.setattr(type(CHAT.conversion), "read_request", counting)
    rules = [{"id": "r", "profile": "large", "match": {"has_image": False}}]
    asked = request(body(profile="auto"), config=config(auto_router={"rules": rules}))
    marked = replace(asked, origin=replace(asked.origin, agent="a"))
    assert Translator(asked).neutral is Translator(marked).neutral is asked.neutral
    assert times == [asked.body]
    other = replace(marked, body=body("Other"))
    assert isinstance(other.neutral, NeutralRequest)
    assert other.neutral != asked.neutral
    assert times == [asked.body, other.body]


def test_nothing_is_read_that_nobody_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that stays in its dialect need not be understood; one that cannot be says why, each time."""
    oracle = request({"messages": [{"role": "oracle"}]})
    assert isinstance(oracle.neutral, BadRequest)
    assert oracle.neutral is oracle.neutral
    monkeypatch.setattr(type(CHAT.conversion), "read_request", None)
    assert request().preference == Preference()


SESSIONS = {
    "x-warmroute-session": "ours",
    "x-claude-code-session-id": "claude",
    "session-id": "codex",
    "x-session-id": "opencode",
}


@pytest.mark.parametrize("known", range(len(SESSIONS) + 1))
@pytest.mark.case("U12")
def test_the_first_session_that_is_said_is_taken(known: int) -> None:
    """Our header before those of agents, which work alone; none at all is no session."""
    said = dict(list(SESSIONS.items())[known:])
    assert request(headers=said).origin.session == next(iter(said.values()), "")


@pytest.mark.case("U12")
def test_the_body_s_session_beats_every_header() -> None:
    """Body > header, in both dialects; an empty one is none."""
    assert request(body(session="mine"), SESSIONS).origin.session == "mine"
    assert request(body(session=""), SESSIONS).origin.session == "ours"
    asked = body(session="mine", model="anna/small")
    assert request(asked, SESSIONS, dialect=MESSAGES).origin.session == "mine"


@pytest.mark.case("U12")
def test_an_agent_s_own_field_comes_last() -> None:
    """`prompt_cache_key` is a session where nobody says a better one."""
    asked = body(prompt_cache_key="codex-7")
    assert request(asked).origin.session == "codex-7"
    assert request(asked, {"x-session-id": "opencode"}).origin.session == "opencode"
    assert request(asked, SESSIONS).origin.session == "ours"
    assert request(asked).body["prompt_cache_key"] == "codex-7"


CLAUDE_CODE = '{"device_id":"d","account_uuid":"","session_id":"s-1"}'


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        (CLAUDE_CODE, "s-1"),
        ("user_1", "user_1"),
        ('{"session_id":""}', '{"session_id":""}'),
        ('{"session_id":7}', '{"session_id":7}'),
        ("{not JSON", "{not JSON"),
        ('{"a":' * 9000, ""),
        ("x" * 257, ""),
        (None, ""),
        (7, ""),
    ],
)
@pytest.mark.case("U12")
def test_the_user_of_a_message_is_a_session_of_last_resort(user_id: object, session: str) -> None:
    """`metadata.user_id`: the session in it, where there is one, else all of it; after every header."""
    asked = body(metadata={"user_id": user_id})
    assert request(asked, dialect=MESSAGES).origin.session == session
    assert request(asked, {"x-session-id": "opencode"}, dialect=MESSAGES).origin.session == "opencode"
    assert MESSAGES.upstream_body(asked, "m")["metadata"] == {"user_id": user_id}
    assert request(body(metadata=user_id), dialect=MESSAGES).origin.session == ""


PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("%2é "), min_size=1)


@given(PRINTABLE.filter(lambda sid: sid == sid.strip() and len(sid) <= MAX_LABEL))
@example("ü")
@example("%C3%BC")
@example("100%")
@example("a%20b/c?d")
def test_any_session_of_the_client_arrives_as_it_was_given(sid: str) -> None:
    """Through a header as it is on the wire: no two ids are one session, and none is another's escape."""
    sent = warmroute.session(sid).wire_id
    headers = dict(Headers(raw=[(b"x-warmroute-session", sent.encode("ascii"))]))
    assert request(headers=headers).origin.session == sid


@pytest.mark.parametrize(
    ("header", "sid"), [("a%20b", "a b"), ("100%", "100%"), ("%zz", "%zz"), ("%FF", "%FF"), ("plain", "plain")]
)
def test_a_session_header_is_percent_decoded(header: str, sid: str) -> None:
    """Whoever wrote it, and where it is no escape of UTF-8 it stays; a session in the body is never decoded."""
    headers = {"x-warmroute-session": header}
    assert request(headers=headers).origin.session == sid
    assert request(body(session=header)).origin.session == header
    assert request(headers={"x-session-id": header}).origin.session == header
    assert origin_of_refused(MESSAGES, {}, headers, KEY).session == sid


@pytest.mark.parametrize(("length", "fits"), [(MAX_LABEL, True), (MAX_LABEL + 1, False)])
def test_labels_have_a_bound(length: int, fits: bool) -> None:
    """256 characters are a label, 257 are a bad request that says so."""
    label = "é" * length
    asked: list[tuple[Json, Json]] = [
        (body(session=label), {}),
        (body(), {"x-warmroute-session": label}),
        (body(), {"x-warmroute-agent": label}),
    ]
    for asking, headers in asked:
        if fits:
            origin = request(asking, headers).origin
            assert label in (origin.session, origin.agent)
        else:
            with pytest.raises(BadRequest, match="longer than 256"):
                request(asking, headers)


@pytest.mark.parametrize("value", ["x" * 257, "\ud800"])
def test_what_was_not_meant_for_us_can_be_no_error(value: str) -> None:
    """An agent's own field that is no label is no session: the request is served."""
    assert request(body(prompt_cache_key=value)).origin.session == ""
    assert request(body(prompt_cache_key="k"), {"session-id": value}).origin.session == "k"


def test_half_a_character_is_no_session() -> None:
    """JSON can carry it, no table takes it: 400 before anything is called."""
    with pytest.raises(BadRequest, match="not valid Unicode"):
        request(body(session="a\ud800"))


@given(st.text(st.characters(), max_size=400))
def test_any_requested_model_can_be_written_down(requested: str) -> None:
    """Whatever a caller puts there: at most 256 characters, all of them storable."""
    origin = request(body(model=f"?{requested}")).origin
    assert len(origin.requested_model) <= MAX_LABEL
    assert origin.requested_model == storable(f"?{requested}")
    assert origin.requested_model.encode().decode() == origin.requested_model


def test_a_request_is_attributed() -> None:
    """Caller and tenant from the key; dialect, profile, model, agent, stream and tools from the request."""
    tools = [{"type": "function", "function": {"name": "f"}}]
    asked = request(
        body(model="large", stream=True, tools=tools), {"x-warmroute-agent": "coder", "x-warmroute-receipt": "1"}
    )
    origin = asked.origin
    assert (origin.caller, origin.tenant, origin.agent) == (KEY.caller, KEY.tenant, "coder")
    assert (origin.dialect, origin.profile, origin.requested_model) == ("chat", "large", "large")
    assert (origin.stream, origin.tools_requested, origin.pinned) == (True, True, False)
    assert asked.receipt_asked
    assert not request(headers={"x-warmroute-receipt": "0"}).receipt_asked


def test_a_pinned_request_is_marked() -> None:
    """So that reads can tell it from a routed one."""
    assert request(body(model="acme/small")).origin.pinned
