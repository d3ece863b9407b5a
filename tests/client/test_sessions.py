"""Sessions on the wire."""

import asyncio
import contextvars
import threading
from typing import Any

import pytest

import warmroute
from tests.client.stand_in import StandIn
from warmroute.sessions import current_session

HEADER = "x-warmroute-session"


def _ask(client: Any, text: str = "hi", **more: Any) -> None:
    client.chat.completions.create(model="routed", messages=[{"role": "user", "content": text}], **more)


def _sent(router: StandIn) -> list[str | None]:
    return [seen.headers.get(HEADER) for seen in router.seen]


def test_a_session_covers_what_is_called_inside_it(settings: StandIn) -> None:
    """The id is sent inside the block, not before and not after, also when the block ends by an exception."""
    with warmroute.OpenAI() as client:
        _ask(client)
        with client.session("chat-17") as session:
            assert (session.id, session.wire_id) == ("chat-17", "chat-17")
            _ask(client)
        with pytest.raises(RuntimeError), client.session("broken"):
            raise RuntimeError
        _ask(client)
    assert _sent(settings) == [None, "chat-17", None]


def test_the_innermost_session_counts(settings: StandIn) -> None:
    """Sessions nest, and leaving one restores the one around it; the same one may be entered twice."""
    with warmroute.OpenAI() as client, client.session("outer") as outer:
        with client.session("inner"):
            _ask(client)
            with outer:
                _ask(client)
            _ask(client)
        _ask(client)
    assert _sent(settings) == ["inner", "outer", "inner", "outer"]


def test_a_clients_session_is_its_own_and_its_copies(settings: StandIn) -> None:
    """Another client's calls do not join; copies, streams and helpers do; a module session covers all."""
    with warmroute.OpenAI() as client, warmroute.Anthropic() as other:
        with client.session("mine"):
            _ask(client.with_options(timeout=5))
            _ask(client.with_raw_response)
            list(client.chat.completions.create(model="routed", messages=[], stream=True))
            other.messages.create(model="routed", max_tokens=5, messages=[])
        with warmroute.session("everyone"):
            _ask(client)
            other.messages.create(model="routed", max_tokens=5, messages=[])
    assert _sent(settings) == ["mine", "mine", "mine", None, "everyone", "everyone"]


async def test_eight_tasks_stay_apart(settings: StandIn) -> None:
    """Concurrent tasks on one client each send their own session, call after call."""
    client = warmroute.AsyncOpenAI()
    entered = asyncio.Barrier(8)

    async def converse(name: str) -> None:
        async with client.session(name):
            await entered.wait()
            for _ in range(3):
                message: Any = {"role": "user", "content": name}
                answer = await client.chat.completions.create(model="routed", messages=[message])
                totals = warmroute.receipt(answer)
                assert totals is not None
                assert totals.session is not None
                assert totals.session.session == name

    await asyncio.gather(*(converse(f"task-{n}") for n in range(8)))
    await client.close()
    pairs = [(seen.body["messages"][0]["content"], seen.headers[HEADER]) for seen in settings.seen]
    assert len(pairs) == 24
    assert len(set(pairs)) == 8
    assert all(text == session for text, session in pairs)


def test_threads_start_without_a_session(settings: StandIn) -> None:
    """As documented: a thread joins a session only when it runs in a copy of the context."""
    with warmroute.OpenAI() as client, client.session("parent"):
        context = contextvars.copy_context()
        for target in (lambda: _ask(client), lambda: context.run(_ask, client)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert _sent(settings) == [None, "parent"]


def test_a_retry_stays_in_the_session(settings: StandIn) -> None:
    """Each of the SDK's own attempts carries the session and the wish for a receipt."""
    settings.failing = 2
    with warmroute.OpenAI(max_retries=2) as client, client.session("s"):
        _ask(client)
    assert _sent(settings) == ["s", "s", "s"]
    assert [seen.headers["x-warmroute-receipt"] for seen in settings.seen] == ["1", "1", "1"]


def test_a_header_of_the_callers_wins(settings: StandIn) -> None:
    """What a caller sets for one call is not overwritten."""
    headers = {"X-Warmroute-Session": "explicit", "X-Warmroute-Receipt": "0"}
    with warmroute.OpenAI() as client, client.session("scope"):
        _ask(client, extra_headers=headers)
    assert _sent(settings) == ["explicit"]
    assert settings.seen[0].headers["x-warmroute-receipt"] == "0"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("a b/c?d#e+f", "a b/c?d#e+f"),
        ("a%20b", "a%2520b"),
        ("%C3%BC", "%25C3%25BC"),
        ("ü", "%C3%BC"),
        ("Gespräch", "Gespr%C3%A4ch"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("🔥", "%F0%9F%94%A5"),
    ],
)
def test_any_printable_id_can_be_sent(settings: StandIn, given: str, sent: str) -> None:
    """ASCII travels as it is; `%` and what a header cannot carry are escaped, so no two ids look alike."""
    with warmroute.OpenAI() as client, client.session(given) as session:
        _ask(client)
    assert _sent(settings) == [sent]
    assert (session.id, session.wire_id) == (given, sent)


@pytest.mark.parametrize("bad", ["", " a", "a ", "a\nb", "a\r\nx-evil: 1", "a\0", "\x7f", "a\x85b", "\ud800"])
def test_an_id_that_no_header_can_carry_is_refused(bad: str) -> None:
    """A clear error where the session is made, not an encoding error inside the SDK or a forged header."""
    with pytest.raises(ValueError, match="a session id"):
        warmroute.session(bad)


def test_a_scope_may_be_left_in_another_context() -> None:
    """Frameworks that enter and leave in different contexts get no error, and no session stays behind here."""
    scope = warmroute.session("s")
    contextvars.copy_context().run(scope.__enter__)
    scope.__exit__(None, None, None)
    assert current_session(object()) is None
