"""Where a client sends its calls, and with which key."""

from collections.abc import Callable
from typing import Any

import anthropic
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


@BOTH
def test_the_routers_key_goes_to_the_router_only(make: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base URL without a key takes WARMROUTE_API_KEY where it leads to the router, and nowhere else."""
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    monkeypatch.setenv("OPENAI_API_KEY", "vendor-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "vendor-key")
    keys = {}
    urls = ["http://r.test/v1", "http://elsewhere.test", "https://api.openai.com/v1", "https://api.anthropic.com"]
    for url in urls:
        with make(base_url=url) as client:
            keys[url] = client.api_key
    own = "https://api.openai.com/v1" if make is warmroute.OpenAI else "https://api.anthropic.com"
    assert keys["http://r.test/v1"] == "wr-key"
    assert keys[own] == "vendor-key"
    monkeypatch.setenv("WARMROUTE_URL", "http://R.test:80")
    for url, key in (("http://r.test/v1", "wr-key"), ("http://elsewhere.test", "vendor-key")):
        with make(base_url=url) as client:
            assert client.api_key == key


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


def test_a_caller_may_name_another_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that choose a destination, such as a data residency, are left to the vendor."""
    monkeypatch.setenv("WARMROUTE_URL", "http://r.test")
    monkeypatch.setenv("WARMROUTE_API_KEY", "wr-key")
    monkeypatch.setenv("OPENAI_API_KEY", "vendor-key")
    with warmroute.OpenAI(data_residency="eu") as client:
        assert client.base_url.host.endswith("openai.com")
        assert client.api_key == "vendor-key"
