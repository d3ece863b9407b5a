"""Our classes in the place of the vendors'."""

import inspect
from typing import Any

import anthropic
import openai
import pytest

import warmroute
from tests.client.stand_in import StandIn

PAIRS = [
    (warmroute.OpenAI, openai.OpenAI),
    (warmroute.AsyncOpenAI, openai.AsyncOpenAI),
    (warmroute.Anthropic, anthropic.Anthropic),
    (warmroute.AsyncAnthropic, anthropic.AsyncAnthropic),
]
HELLO: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
async def test_a_client_is_the_vendors_client(ours: Any, theirs: Any) -> None:
    """Frameworks that check the type, the name or the parameters of a client accept ours."""
    client = ours(base_url="http://r.test", api_key="k")
    assert isinstance(client, theirs)
    assert ours.__name__ == theirs.__name__
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert inspect.signature(ours.copy) == inspect.signature(theirs.copy)
    assert ours.with_options is ours.copy


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
async def test_copies_keep_the_class_and_the_session(ours: Any, theirs: Any) -> None:
    """`copy`, `with_options` and copies of copies are ours too and belong to the same sessions."""
    client = ours(base_url="http://r.test", api_key="k")
    copied = client.with_options(timeout=3).copy(max_retries=7)
    assert type(copied) is ours
    assert (copied.timeout, copied.max_retries, copied.base_url) == (3, 7, client.base_url)
    assert client.session("a").covers(copied._session_owner)
    assert not ours(base_url="http://r.test", api_key="k").session("a").covers(copied._session_owner)


def test_a_copy_does_not_read_the_environment_again(settings: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client stays where it was sent when it was made."""
    with warmroute.OpenAI() as client:
        monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
        monkeypatch.delenv("WARMROUTE_API_KEY")
        client.with_options(timeout=5).chat.completions.create(model="routed", messages=HELLO)
    assert settings.seen[0].headers["x-warmroute-receipt"] == "1"


def test_a_copy_of_a_direct_client_stays_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client made before there was a router keeps the vendor's host also when its copy names none."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "vendor-key")
    with warmroute.Anthropic() as client:
        monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
        monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
        copied = client.copy(auth_token="another")
        assert (copied.base_url, copied.auth_token) == (client.base_url, "another")


def test_a_subclass_with_its_own_parameters_can_be_copied(settings: StandIn) -> None:
    """Nothing of ours travels through a constructor's arguments."""

    class Mine(warmroute.OpenAI):
        def __init__(self, *, api_key: Any = None, base_url: Any = None, **rest: Any) -> None:
            assert not [name for name in rest if "warmroute" in name]
            super().__init__(api_key=api_key, base_url=base_url, **rest)

    with Mine() as client:
        assert type(client.with_options(timeout=1)) is Mine


async def test_the_vendors_own_hooks_still_run(router: StandIn) -> None:
    """Signing and other preparation that the vendor does per request happens after our headers were added."""
    prepared: list[Any] = []

    class Watching(openai.OpenAI):
        def _prepare_request(self, request: Any) -> None:
            prepared.append(request.headers["x-warmroute-receipt"])

    class AsyncWatching(openai.AsyncOpenAI):
        async def _prepare_request(self, request: Any) -> None:
            prepared.append(request.headers["x-warmroute-receipt"])

    class Ours(warmroute.OpenAI, Watching): ...

    class AsyncOurs(warmroute.AsyncOpenAI, AsyncWatching): ...

    with Ours(base_url=router.origin + "/v1", api_key="k") as client:
        client.models.list()
    async with AsyncOurs(base_url=router.origin + "/v1", api_key="k") as client_async:
        await client_async.models.list()
    assert prepared == ["1", "1"]


def test_headers_differ_from_the_vendors_by_ours_alone(router: StandIn) -> None:
    """The router sees exactly what a provider would see from the vendor's class, and our headers."""
    for make in (openai.OpenAI, warmroute.OpenAI):
        with make(base_url=router.origin + "/v1", api_key="k") as client:
            client.chat.completions.create(model="plain", messages=HELLO)
    for make_other in (anthropic.Anthropic, warmroute.Anthropic):
        with make_other(base_url=router.origin, api_key="k") as other:
            other.messages.create(model="plain", max_tokens=5, messages=HELLO)
    for theirs, ours in ((router.seen[0], router.seen[1]), (router.seen[2], router.seen[3])):
        assert ours.headers == {**theirs.headers, "x-warmroute-receipt": "1"}
        assert ours.body == theirs.body


def test_results_differ_from_the_vendors_by_the_receipt_alone(router: StandIn) -> None:
    """Objects through the router equal, field by field, those that come from a provider directly."""
    with openai.OpenAI(base_url=router.origin + "/v1", api_key="k") as direct:
        theirs: Any = direct.chat.completions.create(model="plain", messages=HELLO)
        their_chunks: list[Any] = list(direct.chat.completions.create(model="plain", messages=HELLO, stream=True))
    with warmroute.OpenAI(base_url=router.origin + "/v1", api_key="k") as client:
        ours: Any = client.chat.completions.create(model="routed", messages=HELLO)
        our_chunks: list[Any] = list(client.chat.completions.create(model="routed", messages=HELLO, stream=True))
    assert type(ours) is type(theirs)
    assert {**ours.to_dict(), "x_router": None} == {**theirs.to_dict(), "x_router": None}
    assert len(our_chunks) == len(their_chunks)
    assert our_chunks[:-1] == their_chunks[:-1]
    assert [each.to_dict() for each in our_chunks[:-1]] == [each.to_dict() for each in their_chunks[:-1]]


def test_a_receipt_stays_out_of_dumps(settings: StandIn) -> None:
    """What we keep on an object shows in no dump, no comparison and no representation."""
    with warmroute.Anthropic() as client:
        message = client.messages.create(model="headers-only", max_tokens=5, messages=HELLO)
    fields: Any = message.to_dict()
    bare = type(message).construct(**fields)
    assert warmroute.receipt(message) is not None
    assert warmroute.receipt(bare) is None
    for dump in (str(message.model_dump()), message.to_json(), repr(message)):
        assert "inf_" not in dump
        assert "_receipt" not in dump
    assert message == bare


def test_anthropic_profiles_are_still_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the vendor's class discovers by itself are discovered by ours, and copied along."""
    (tmp_path / "token").write_text("identity")
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", "fdrl_1")
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org-1")
    with anthropic.Anthropic() as theirs, warmroute.Anthropic() as ours:
        assert theirs.credentials is not None
        assert type(ours.credentials) is type(theirs.credentials)
        assert ours.with_options(timeout=3).credentials is ours.credentials
