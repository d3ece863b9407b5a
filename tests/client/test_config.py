"""Where a client sends its calls, and with which key."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

import warmroute
from tests.client.stand_in import StandIn

MakeClient = Callable[..., Any]
BOTH = pytest.mark.parametrize("make", [warmroute.OpenAI, warmroute.Anthropic])
HELLO: Any = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("given", ["http://r.test", "http://r.test/", "http://r.test/v1", " http://r.test/v1/ "])
def test_the_url_may_end_as_it_likes(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One WARMROUTE_URL serves both vendors, whichever vendor's form it is in."""
    monkeypatch.setenv("WARMROUTE_URL", given)
    monkeypatch.setenv("WARMROUTE_API_KEY", "k")
    with warmroute.OpenAI() as chat, warmroute.Anthropic() as messages:
        assert str(chat.base_url) == "http://r.test/v1/"
        assert str(messages.base_url).rstrip("/") == "http://r.test"


def test_a_path_before_v1_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router behind a stage or a prefix is reached under it."""
    monkeypatch.setenv("WARMROUTE_URL", "https://r.test/prod/v1")
    monkeypatch.setenv("WARMROUTE_API_KEY", "k")
    with warmroute.OpenAI() as chat, warmroute.Anthropic() as messages:
        assert str(chat.base_url) == "https://r.test/prod/v1/"
        assert str(messages.base_url).rstrip("/") == "https://r.test/prod"


def test_vendor_settings_never_defeat_the_swap(settings: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """With WARMROUTE_URL set, a vendor's URL and keys in the environment steer nothing and reach nobody."""
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "vendor-secret")
    with warmroute.OpenAI() as chat, warmroute.Anthropic() as messages:
        chat.chat.completions.create(model="routed", messages=HELLO)
        messages.with_options(timeout=5).messages.create(model="routed", max_tokens=5, messages=HELLO)
    assert len(settings.seen) == 2
    for seen in settings.seen:
        # Versions of the vendors differ in which of the two headers carries the key.
        sent = [seen.headers[name] for name in ("authorization", "x-api-key") if name in seen.headers]
        assert [value.removeprefix("Bearer ") for value in sent] == ["wr-key"]
        assert "vendor-secret" not in str(seen)


@BOTH
def test_arguments_win_over_the_environment(make: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base_url` and `api_key` keep the vendor's meaning and win."""
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    monkeypatch.setenv("WARMROUTE_API_KEY", "from-environment")
    with make(base_url="http://other.test/x", api_key="mine") as client:
        assert (str(client.base_url).rstrip("/"), client.api_key) == ("http://other.test/x", "mine")
    with make(api_key="mine") as client:
        assert (str(client.base_url).startswith("http://r.test"), client.api_key) == (True, "mine")


@BOTH
def test_a_url_without_a_key_says_which_setting_is_missing(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's own key is not tried on the router, and the message names ours."""
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    monkeypatch.setenv("OPENAI_API_KEY", "vendor-secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "vendor-secret")
    with pytest.raises(warmroute.ConfigurationError, match="WARMROUTE_API_KEY is not"):
        make()


@BOTH
def test_a_key_without_a_url_is_not_passed_over(make: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a configuration must not send calls past the router in silence."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "k")
    with pytest.raises(warmroute.ConfigurationError, match="WARMROUTE_URL is not"):
        make(api_key="vendor-key")


@pytest.mark.parametrize("bad", ["router.test", "ftp://r.test", "http://", "http://r.test/?a=b"])
def test_a_url_that_is_none_is_refused(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped URL fails at once and not with the first call."""
    monkeypatch.setenv("WARMROUTE_URL", bad)
    monkeypatch.setenv("WARMROUTE_API_KEY", "k")
    with pytest.raises(warmroute.ConfigurationError, match="WARMROUTE_URL must be"):
        warmroute.OpenAI()


@pytest.fixture
def vendor_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "vendor-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "vendor-key")


@BOTH
@pytest.mark.parametrize("url", ["https://openrouter.ai/api/v1", "http://r.test", "http://127.0.0.1:9/v1"])
def test_a_key_without_a_url_is_for_nobody(
    make: MakeClient, url: str, monkeypatch: pytest.MonkeyPatch, vendor_keys: None
) -> None:
    """Nobody has said that the router is at this base URL: neither its key nor a vendor's is tried there."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    with pytest.raises(warmroute.ConfigurationError, match="WARMROUTE_URL is not"):
        make(base_url=url)
    with make(base_url=url, api_key="mine") as client:
        assert client.api_key == "mine"


@BOTH
@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://api.anthropic.com"])
@pytest.mark.parametrize("configured", [None, "http://r.test"])
def test_a_vendor_gets_the_vendors_key(
    make: MakeClient, url: str, configured: str | None, monkeypatch: pytest.MonkeyPatch, vendor_keys: None
) -> None:
    """Who names a vendor by its URL has chosen it."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    if configured:
        monkeypatch.setenv("WARMROUTE_URL", configured)
    with make(base_url=url) as client:
        assert client.api_key == "vendor-key"


@BOTH
def test_the_routers_key_goes_to_the_router_only(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch, vendor_keys: None
) -> None:
    """A base URL without a key takes WARMROUTE_API_KEY where it leads to the router, and nowhere else."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    monkeypatch.setenv("WARMROUTE_URL", "http://R.test:80")
    for url, key in (("http://r.test/v1", "wr-key"), ("http://elsewhere.test", "vendor-key")):
        with make(base_url=url) as client:
            assert client.api_key == key


@BOTH
def test_no_later_change_takes_the_routers_key_elsewhere(
    make: MakeClient, router: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendors' copies and absolute URLs keep the client's key: an error then, before anything is sent."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    there = router.origin + ("/v1" if make is warmroute.OpenAI else "")
    with make() as client:
        for copied in (client.copy(base_url=there), client.with_options(base_url=there).copy()):
            with pytest.raises(warmroute.ConfigurationError, match="WARMROUTE_API_KEY is only sent to"):
                copied.models.list()
        with pytest.raises(warmroute.ConfigurationError):
            client.get(f"{router.origin}/v1/models", cast_to=object)
        assert router.seen == []
        client.copy(base_url=there, api_key="wr-key").models.list()
    with make(base_url=there, api_key="wr-key") as client:
        client.models.list()
    assert len(router.seen) == 2


async def test_the_async_classes_guard_the_key_too(router: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    async with warmroute.AsyncOpenAI() as client, warmroute.AsyncAnthropic() as other:
        for copied in (client.copy(base_url=router.origin), other.copy(base_url=router.origin)):
            with pytest.raises(warmroute.ConfigurationError):
                await copied.models.list()
    assert router.seen == []


def test_without_settings_the_class_is_the_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's defaults, environment and errors apply as long as nothing of ours is set."""
    with pytest.raises(openai.OpenAIError):
        warmroute.OpenAI()
    monkeypatch.setenv("OPENAI_API_KEY", "vendor-key")
    with warmroute.OpenAI() as ours, openai.OpenAI() as theirs:
        assert (ours.base_url, ours.api_key) == (theirs.base_url, theirs.api_key)
        assert ours.user_agent == theirs.user_agent
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
    with warmroute.Anthropic() as mine, anthropic.Anthropic() as his:
        assert (mine.base_url, mine.auth_headers) == (his.base_url, his.auth_headers)


def test_nothing_of_ours_is_sent_past_the_router(router: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """With WARMROUTE_URL set, a client for another host sends neither our headers nor a session."""
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    with warmroute.OpenAI(base_url=router.origin + "/v1", api_key="k") as client, client.session("private"):
        client.chat.completions.create(model="plain", messages=HELLO)
    assert not [name for name in router.seen[0].headers if name.startswith("x-warmroute")]


def told(client: Any, answered: dict[str, str] | None = None) -> tuple[str | None, bool]:
    """The session that a call of this client carries, and whether it carries anything of ours; no network."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"choices": []}, headers=answered or {})

    with client.copy(http_client=httpx2.Client(transport=httpx2.MockTransport(answer))) as copied:
        copied.chat.completions.create(model="m", messages=HELLO)
    headers = seen[0].headers
    return headers.get("x-warmroute-session"), any(name.startswith("x-warmroute") for name in headers)


LAMBDA = "https://abc123.lambda-url.eu-central-1.on.aws/v1"
STRANGERS = [
    "https://openrouter.ai/api/v1",
    "https://router.example/v1",
    "http://localhost.example/v1",
    "http://192.168.0.7/v1",
    "https://abc.lambda-url.eu-central-1.on.aws.example/v1",
]


@pytest.mark.parametrize("url", STRANGERS)
def test_strangers_are_told_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without WARMROUTE_URL any other host gets no header of ours, named by the caller or by a setting."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with warmroute.OpenAI(base_url=url) as client, warmroute.OpenAI() as other:
        assert told(client) == (None, False)
        with warmroute.session("private"):
            assert told(client) == (None, False)
        with other.session("private"):
            assert told(other) == (None, False)


@pytest.mark.parametrize(
    "url", [LAMBDA, "http://localhost:8787/v1", "http://127.0.0.2/v1", "http://[::1]:1/v1", "http://r.localhost"]
)
def test_a_router_is_known_by_its_host(url: str) -> None:
    """Whoever calls loopback or a function URL runs what is there: it works without any setting."""
    with warmroute.OpenAI(base_url=url, api_key="k") as client:
        assert told(client) == (None, True)
        with warmroute.session("s"):
            assert told(client) == ("s", True)


def test_a_session_of_a_client_goes_where_the_client_was_sent() -> None:
    """From the first call on, to each `base_url` that the client or a copy of it was given; to no vendor."""
    with warmroute.OpenAI(base_url=STRANGERS[1], api_key="k") as client, client.session("mine"):
        assert told(client) == ("mine", True)
        assert told(client.copy(base_url="https://second.example/v1")) == ("mine", True)
        assert told(client.copy(base_url="https://api.openai.com/v1")) == (None, False)
        client.base_url = "https://third.example/v1"
        assert told(client) == (None, False)


def test_who_answers_as_a_router_is_one_from_then_on() -> None:
    """For the client and its copies; not for other clients, and not when WARMROUTE_URL names another."""
    router = {"x-warmroute-inference-id": "inf_1"}
    with warmroute.OpenAI(base_url=STRANGERS[1], api_key="k") as client, warmroute.session("s"):
        assert told(client) == (None, False)
        assert told(client, router) == (None, False)
        assert told(client) == ("s", True)
        assert told(client.copy(base_url=STRANGERS[0])) == (None, False)
        with warmroute.OpenAI(base_url=STRANGERS[1], api_key="k") as other:
            assert told(other) == (None, False)


def test_a_configured_router_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With WARMROUTE_URL neither the look of a host, nor its answers, nor a client's own session counts."""
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    for url in (LAMBDA, STRANGERS[1]):
        with warmroute.OpenAI(base_url=url, api_key="k") as client, client.session("mine"):
            assert told(client, {"x-warmroute-inference-id": "inf_1"}) == (None, False)
            assert told(client) == (None, False)
    with warmroute.OpenAI(base_url="http://r.test/v1", api_key="k") as client, warmroute.session("s"):
        assert told(client) == ("s", True)


def test_a_caller_may_name_another_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that choose a destination, such as a data residency, are left to the vendor."""
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    monkeypatch.setenv("OPENAI_API_KEY", "vendor-key")
    with warmroute.OpenAI(data_residency="eu") as client:
        assert client.base_url.host.endswith("openai.com")
        assert client.api_key == "vendor-key"
