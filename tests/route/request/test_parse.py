"""One request as the router sees it: hostile JSON, the choice of a chain, sessions, labels, the estimate."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

import warmroute
from ledger.items import ApiKey
from route.config.file import Config
from route.dialects.base import Dialect, dump
from route.dialects.chat import CHAT
from route.dialects.embeddings import EMBEDDINGS
from route.dialects.messages import MESSAGES
from route.dialects.neutral import NeutralRequest
from route.dialects.responses import RESPONSES
from route.errors import BadRequest, Forbidden, NotFound
from route.request.parse import (
    MAX_LABEL,
    MAX_LEVELS,
    estimate_tokens,
    origin_of_refused,
    parse_body,
    storable,
)
from route.request.preference import Preference
from route.request.profile_choice import ProfileChoice, choose
from route.request.translation import Translator
from tests.route.build import KEY, Json, body, config, document, request

SECRET = "swordfish"

HOSTILE = {
    "nothing": b"",
    "a word": b"swordfish",
    "torn": b'{"a": "swordfish',
    "two": b'{"a": "swordfish"} {}',
    "a list": b'["swordfish"]',
    "a string": b'"swordfish"',
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"swordfish": NaN}',
    "infinity": b'{"swordfish": -Infinity}',
    "beyond a double": b'{"swordfish": 1e999}',
    "5,000 digits": b'{"swordfish": ' + b"9" * 5000 + b"}",
    "deep": b'{"swordfish": ' * 100_000,
    "deep and whole": b"[" * 5000 + b"]" * 5000,
    "not UTF-8": b'{"swordfish": "\xff\xfe"}',
    "half a character": b'{"swordfish": "\xf0\x9f\x98"}',
    "single quotes": b"{'swordfish': 1}",
    "a comment": b'{"swordfish": 1} // x',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_json_object_is_a_bad_request(data: bytes) -> None:
    """400 that says what is wrong, and never repeats what was sent."""
    with pytest.raises(BadRequest) as caught:
        parse_body(data)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
    assert SECRET not in caught.value.message


@given(st.binary() | st.text('{}[]":,01eE.-+\\u" \n', max_size=60).map(str.encode))
def test_no_bytes_break_us(data: bytes) -> None:
    """Whatever comes is an object or a bad request, and an object can be sent on."""
    try:
        asked = parse_body(data)
    except BadRequest:
        return
    assert parse_body(dump(asked)) == asked


@pytest.mark.parametrize(
    "text",
    [
        '{"n":123456789012345678901234567890}',
        '{"a":1.0}',
        '{"a":-0.0}',
        '{"a":"\\ud800"}',
        '{"a":"\\u0000"}',
        '{"a":' + "[" * 100 + "]" * 100 + "}",
    ],
)
@pytest.mark.case("C1")
def test_numbers_and_strings_go_on_as_they_came(text: str) -> None:
    """Of any size, half characters too: the provider decides what it takes."""
    assert dump(parse_body(text.encode())).decode() == text


def nested(levels: int) -> Json:
    """An object in which that many levels lie, the outermost included."""
    value: Any = "x"
    for _ in range(levels - 1):
        value = [value]
    return {"v": value}


def test_nesting_has_a_bound() -> None:
    """At the bound it is read, one level more is a bad request and not a crash deep inside."""
    assert estimate_tokens(nested(MAX_LEVELS)) == 1
    with pytest.raises(BadRequest):
        estimate_tokens(nested(MAX_LEVELS + 1))


@pytest.mark.parametrize("levels", [300, 600, 900])
def test_a_deep_request_is_refused_and_not_a_crash(levels: int) -> None:
    """What the parser still reads must not end in a RecursionError behind it, also inside inline data."""
    for inner in (nested(levels), {"type": "base64", "data": nested(levels)}):
        with pytest.raises(BadRequest, match="nested too deeply"):
            request(parse_body(json.dumps(body(x=inner)).encode()))


CHOICES = config(
    aliases={"gpt-4o": "large", "fast": "other/small", "large": "default", "acme/large": "messages"},
    mode_aliases={"deep": "large", "claude": "messages"},
    default_profile="default",
)


def chosen(
    model: str = "", headers: Json | None = None, *, config: Config = CHOICES, **asked: Any
) -> ProfileChoice:
    return choose(body(**asked), headers or {}, model, config)


HEADER = {"x-warmroute-profile": "large"}
MODE = {"x-warmroute-mode": "claude"}


@pytest.mark.parametrize(
    ("choice", "name", "rule"),
    [
        (chosen("gpt-4o", HEADER, profile="messages"), "messages", "body_profile"),
        (chosen("gpt-4o", HEADER), "large", "header_profile"),
        (chosen("gpt-4o", HEADER | MODE), "large", "header_profile"),
        (chosen("gpt-4o", MODE), "messages", "header_mode"),
        (chosen("acme/small", MODE, profile="default"), "default", "body_profile"),
        (chosen("gpt-4o"), "large", "alias"),
        (chosen("large"), "default", "alias"),
        (chosen("messages"), "messages", "model"),
        (chosen("who knows"), "default", "default"),
        (chosen(""), "default", "default"),
        (chosen("gpt-4o", HEADER, profile=None), "large", "header_profile"),
    ],
)
@pytest.mark.case("C4")
def test_the_order_of_choosing(choice: ProfileChoice, name: str, rule: str) -> None:
    """Body profile > header > mode > alias > a model that names a profile > the default."""
    assert (choice.name, choice.rule) == (name, rule)
    assert choice.is_default is (rule == "default")
    assert choice.profile == CHOICES.profiles[name]
    assert not choice.pinned


@pytest.mark.parametrize(
    ("model", "routes", "rule", "pinned"),
    [
        ("other/small", ("other/small",), "pinned", True),
        ("fast", ("other/small",), "alias", True),
        ("small", ("acme/small", "other/small", "anna/small"), "model", False),
    ],
)
@pytest.mark.case("C4", "A5", "A6")
def test_a_route_is_pinned_and_a_model_has_all_its_routes(
    model: str, routes: tuple[str, ...], rule: str, pinned: bool
) -> None:
    """`provider/model` is that route alone; an alias to one is pinned too, and the rule says `alias`."""
    choice = chosen(model)
    assert (choice.name, choice.profile.routes, choice.rule, choice.pinned) == ("", routes, rule, pinned)


@pytest.mark.parametrize(
    "asked", [{"profile": "nowhere"}, {"profile": ""}, {"profile": 7}, {"profile": ["large"]}]
)
@pytest.mark.case("C4")
def test_an_unknown_profile_lists_the_known(asked: Json) -> None:
    """Never a silent default for somebody who said what they want."""
    with pytest.raises(BadRequest, match=r"Known: auto, default, large, messages\.") as caught:
        chosen("small", **asked)
    assert caught.value.code == "unknown_profile"
    with pytest.raises(BadRequest, match=r"Known: auto, default, large, messages\."):
        chosen("small", {"x-warmroute-profile": "nowhere"})


@pytest.mark.parametrize("mode", ["slow", "", "large"])
@pytest.mark.case("C4")
def test_an_unknown_mode_lists_the_known(mode: str) -> None:
    """A profile's name is none; where there are no modes it says so."""
    with pytest.raises(BadRequest, match=r"Known: claude, deep\.") as caught:
        chosen("small", {"x-warmroute-mode": mode})
    assert caught.value.code == "unknown_mode"
    with pytest.raises(BadRequest, match=r"Known: none\."):
        chosen("small", {"x-warmroute-mode": mode}, config=config())


def test_a_long_name_is_not_repeated_whole() -> None:
    """An error is no echo."""
    with pytest.raises(BadRequest) as profile:
        chosen(profile="x" * 10_000)
    with pytest.raises(BadRequest) as mode:
        chosen("", {"x-warmroute-mode": "x" * 10_000})
    with pytest.raises(NotFound) as model:
        chosen("x" * 10_000, config=config(unknown_model="reject"))
    assert max(len(error.value.message) for error in (profile, mode, model)) < 2 * MAX_LABEL


@pytest.mark.parametrize("model", ["gpt-4o-mini", "", "acme/nothing", "acme/"])
@pytest.mark.case("C4")
def test_an_unknown_model_can_be_rejected(model: str) -> None:
    """With `reject` it is 404 `model_not_found`; what is configured is served all the same."""
    rejecting = config(unknown_model="reject")
    with pytest.raises(NotFound) as caught:
        chosen(model, config=rejecting)
    assert caught.value.code == "model_not_found"
    assert chosen("small", config=rejecting).rule == "model"


@pytest.mark.case("A6")
def test_each_alias_hit_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One event with both names; a model that is no alias leaves none."""
    with caplog.at_level(logging.INFO, "warmroute.route"):
        chosen("gpt-4o")
        chosen("small")
    assert [(r.message, vars(r)["alias"], vars(r)["target"]) for r in caplog.records] == [
        ("alias-resolved", "gpt-4o", "large")
    ]


def test_a_key_may_be_bound_to_profiles() -> None:
    """Another profile is 403, a model that goes around profiles too."""
    bound = ApiKey("d" * 64, "amy", "acme-inc", profiles=("large",))
    assert request(body(profile="large"), key=bound).choice.name == "large"
    for asked in (body(profile="messages"), body(), body(model="acme/large"), body(model="small")):
        with pytest.raises(Forbidden) as caught:
            request(asked, key=bound)
        assert caught.value.code == "profile_not_allowed"


def test_a_refused_profile_is_named_as_it_was_asked_for() -> None:
    """A pinned route, a model and an alias have no profile: then by the model, and never by an empty name."""
    bound = ApiKey("d" * 64, "amy", "acme-inc", profiles=("large",))
    aliased = config(aliases={"gpt-4o": "acme/large"})
    cases = [(body(profile="messages"), "messages"), (body(), "default"), (body(model="gpt-4o"), "gpt-4o")]
    cases += [(body(model=name), name) for name in ("acme/large", "small")]
    for asked, name in cases:
        with pytest.raises(Forbidden, match=f"may not use '{name}', only the profiles large") as caught:
            request(asked, key=bound, config=aliased)
        assert len(str(caught.value)) < 100


DIAL = {"x-warmroute-preference": "cost"}
FLOOR = {"x-warmroute-min-quality": "0.7"}


@pytest.mark.parametrize(
    ("asked", "headers", "wish"),
    [
        ({}, {}, Preference("balanced", None)),
        ({"routing_hint": "quality"}, DIAL, Preference("quality")),
        ({"routing_hint": None}, DIAL, Preference("cost")),
        ({"routing_hint": "balanced"}, {}, Preference("balanced")),
        ({"min_quality": 0.9}, FLOOR | DIAL, Preference("cost", 0.9)),
        ({"min_quality": None}, FLOOR, Preference(min_quality=0.7)),
        ({"min_quality": 0}, {}, Preference(min_quality=0)),
        ({"min_quality": 1}, {}, Preference(min_quality=1)),
        ({}, {"x-warmroute-min-quality": "1"}, Preference(min_quality=1)),
        ({}, {"x-warmroute-min-quality": ".5"}, Preference(min_quality=0.5)),
        ({}, {"x-warmroute-min-quality": "5e-1"}, Preference(min_quality=0.5)),
    ],
)
@pytest.mark.case("A8")
def test_a_request_may_wish(asked: Json, headers: Json, preference: Preference) -> None:
    """Body > header, the dial and the floor each for itself; nothing said is `balanced`, without a floor."""
    assert request(body(**asked), headers).preference == preference


@pytest.mark.parametrize(
    "said", ["1" * 60_000 + "x", "." * 60_000, "0." + "0" * 31, "1" * 33, "1e" + "0" * 60_000]
)
def test_a_long_floor_is_none(said: str) -> None:
    """No number that anybody means has more than 32 characters, and none longer is looked into."""
    with pytest.raises(BadRequest) as caught:
        request(body(), {"x-warmroute-min-quality": said})
    assert caught.value.code == "invalid_min_quality"
    assert request(body(), {"x-warmroute-min-quality": "0." + "0" * 30}).preference.min_quality == 0


@pytest.mark.parametrize("hint", ["cheap", "", "Quality", 7, True, ["cost"], {}])
@pytest.mark.case("A8")
def test_an_unknown_preference_lists_the_known(hint: Any) -> None:
    """A typo is 400, from either place, and never `balanced`."""
    asked: list[tuple[Json, Json]] = [(body(routing_hint=hint), {})]
    asked += [(body(), {"x-warmroute-preference": hint})] if isinstance(hint, str) else []
    for asking, headers in asked:
        with pytest.raises(BadRequest, match=r"Known: balanced, cost, quality\.") as caught:
            request(asking, headers)
        assert (caught.value.status, caught.value.code) == (400, "unknown_preference")


NO_QUALITY = [-0.01, 1.01, True, False, "0.7", [0.7], {}, 10**400, float("nan")]
NO_HEADER = [
    "",
    "-0.1",
    "1.01",
    "nan",
    "inf",
    "true",
    "0_7",
    "½",
    "\u0660.\u0667",
    "high",
    "0.5 0.6",
    "1e999",
    "+0.5",
]


@pytest.mark.parametrize("said", NO_QUALITY, ids=lambda value: repr(value)[:12])
@pytest.mark.case("A8")
def test_what_is_no_quality_is_refused(said: Any) -> None:
    """A number from 0 to 1 and nothing else: a floor that is not understood would not hold."""
    with pytest.raises(BadRequest) as caught:
        request(body(min_quality=said), FLOOR)
    assert (caught.value.status, caught.value.code) == (400, "invalid_min_quality")


@pytest.mark.parametrize("said", NO_HEADER)
@pytest.mark.case("A8")
def test_what_is_no_quality_in_a_header_is_refused(said: str) -> None:
    """Digits with a point, as JSON or a shell writes them."""
    with pytest.raises(BadRequest) as caught:
        request(headers={"x-warmroute-min-quality": said})
    assert caught.value.code == "invalid_min_quality"


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


@pytest.mark.parametrize(
    ("tokens", "size"),
    [(999, "xs"), (1_000, "s"), (7_999, "s"), (8_000, "m"), (31_999, "m"), (32_000, "l"), (128_000, "xl")],
)
def test_size_buckets(tokens: int, size: str) -> None:
    """Each bound belongs to the larger bucket."""
    asked = body("")
    missing = 4 * tokens - 4 * estimate_tokens(asked)
    asked["messages"][0]["content"] = "x" * missing
    assert request(asked).origin.size == size


@pytest.mark.case("C5")
def test_everything_that_will_be_billed_counts() -> None:
    """A 400,000-character tool result, the history, schemas and the system prompt: a quarter each."""
    large = "x" * 400_000
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": large}]}
    for asked in (
        {"messages": [{"role": "user", "content": [result]}]},
        {"messages": [{"role": "tool", "content": large}, {"role": "user", "content": "and?"}]},
        {"messages": [], "system": large},
        {"messages": [], "tools": [{"description": large}]},
    ):
        assert 100_000 <= estimate_tokens(asked) < 100_100


@pytest.mark.case("C5")
def test_two_hundred_thousand_characters_are_a_long_context() -> None:
    """At least 32,000 tokens."""
    assert estimate_tokens(body("x" * 200_000)) >= 32_000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("é" * 4, 1),
        ("日本語", 3),
        ("日abcd", 2),
        ("한국", 2),
        ("😀", 1),
    ],
)
@pytest.mark.case("C5")
def test_wide_characters_count_whole(text: str, tokens: int) -> None:
    """Latin text is a quarter of a token a character, rounded up; CJK and its neighbours a whole one."""
    assert estimate_tokens(text) == tokens


PICTURE = "iVBORw0KGgo" * 50_000
INLINE: dict[str, Json] = {
    "Anthropic image": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
    "OpenAI image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
    "OpenAI image text": {"type": "image_url", "image_url": f"data:image/png;base64,{PICTURE}"},
    "OpenAI file": {
        "type": "file",
        "file": {"filename": "a", "file_data": f"data:application/pdf;base64,{PICTURE}"},
    },
    "OpenAI audio": {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}},
}


@pytest.mark.parametrize("part", INLINE.values(), ids=INLINE.keys())
def test_inline_data_does_not_count_by_its_length(part: Json) -> None:
    """A picture of half a megabyte is not 130,000 tokens; it is about one picture."""
    assert 1_000 <= estimate_tokens(part) < 1_100


@pytest.mark.parametrize(
    "value",
    [
        {"type": "text", "text": "data:" + "x" * 40_000},
        {"url": "data:x", "content": "x" * 40_000},
        {"type": "base64", "note": "x" * 40_000},
        {"format": "csv", "data": "x" * 40_000, "name": "a"},
    ],
)
def test_nothing_hides_behind_inline_data(value: Json) -> None:
    """Text beside it, or text that only begins like it, counts."""
    assert estimate_tokens(value) >= 10_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(st.lists(JSON))
@example([0, 0, None])
def test_more_is_never_estimated_as_less(values: list[Any]) -> None:
    """Each part adds, so a longer conversation never looks shorter."""
    sizes = [estimate_tokens(values[:n]) for n in range(len(values) + 1)]
    assert sizes == sorted(sizes)


def test_the_default_chain_is_the_config_s() -> None:
    """Another default profile is another chain."""
    other = Config.model_validate(document(default_profile="large"))
    assert chosen(config=other).profile.routes == ("acme/large",)


@pytest.mark.parametrize("name", ["acme/small", "small"])
def test_who_names_a_route_is_held_to_the_default_limits(name: str) -> None:
    """Caps, guards, deadlines and the ledger's mode; not to what chooses among routes, since it has chosen."""
    default = {
        "routes": ["other/small"],
        "order": "cheapest",
        "quality_floor": 0.7,
        "latency_slo_ms": 9,
        "adaptive": True,
        "request_cap_usd": 1,
        "tool_loop": "break",
        "ledger": "strict",
    }
    limits = config(profiles={"default": default})
    profile = request(body(model=name), config=limits).choice.profile
    told = profile.model_dump(mode="json")
    assert (told["request_cap_usd"], told["tool_loop"]["action"], told["ledger"]) == ("1", "break", "strict")
    chosen = [told[name] for name in ("order", "quality_floor", "latency_slo_ms", "adaptive")]
    assert chosen == ["static", None, None, False]
    assert "acme/small" in profile.routes
    auto = config(profiles={"p": default}, default_profile="auto", auto_router={"default": "p"})
    assert request(body(model=name), config=auto).choice.profile.ledger == "strict"
    bundled = config(profiles={"writing": default}, default_profile="auto")
    assert request(body(model=name), config=bundled).choice.profile.ledger == "strict"
