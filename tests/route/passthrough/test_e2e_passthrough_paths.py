"""Which requests are passed through, and which never: hostile paths, our own, and who may not."""

from typing import Any

import anthropic
import httpx2
import openai
import pytest

from ledger.items import ApiKey
from ledger.outcomes import Outcome
from ledger.store.opened import Store
from route.request.auth import digest_of
from tests.route.house import ALICE, model
from tests.route.vendors import Vendors, line, serve_vendors

HOSTILE = [
    "/v1/../v1/files",
    "/v1/files/..",
    "/v1/files/../../x/keys",
    "/v1/./files",
    "/v1/%2e%2e/files",
    "/v1/files/%2E%2e/%2e",
    "/v1/files%2f..%2f..",
    "/v1/files/%2e",
    "/v1/files/a%2Fb",
    "/v1/files/a%5cb",
    "/v1/files/a\\b",
    "/v1/files//1",
    "/v1//files",
    "/v1/files/",
    "/v1/files/%00",
    "/v1/files/%0d%0ax-evil:%201",
    "/v1/files/%c0%ae%c0%ae",
    "/v1/files/%ff",
    "/v1/files/%252e%252e",
    "/v1/files/a%3Fb",
    "/v1/files/a%23b",
    "/v1/files;a=b",
    "/v1/files/%zz",
    "/v1/files/%",
    "/v1/files/%E2%80%A8",
    "/v1/files/\xe9",
    "/v1/",
]


@pytest.mark.parametrize("target", HOSTILE)
def test_hostile_paths_go_nowhere(vendors: Vendors, target: str) -> None:
    """What two servers could read in two ways is a 404 in the dialect, or not even HTTP; it is never sent."""
    received = line(vendors.house, target)
    assert received.split(b" ")[1] in (b"404", b"400")
    assert b"x-evil" not in received.partition(b"\r\n\r\n")[0]
    assert not vendors.openai.got + vendors.anthropic.got
    assert not vendors.house.inferences()


@pytest.mark.parametrize(
    "target", ["/v1/files/a%20b", "/v1/files/%C3%A9", "/v1/files/ft:x:y::1", "/v1/a-b_c~d/@e,f=g"]
)
def test_harmless_escapes_go_out_as_they_came(vendors: Vendors, target: str) -> None:
    """Neither decoded nor encoded once more, and so the query."""
    query = "a=b+c&d=%20%2B%2f..%2f&e[]=1&f=%C3%A9&g"
    assert line(vendors.house, f"{target}?{query}").startswith(b"HTTP/1.1 200")
    assert vendors.got.target == f"{target}?{query}"


RESERVED = [
    ("DELETE", "/v1/models/small"),
    ("POST", "/v1/models"),
    ("POST", "/v1/session/s"),
    ("DELETE", "/v1/session/s"),
    ("GET", "/v1/usage/daily"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/caps/rollup"),
    ("GET", "/v1/agents/a/metrics"),
    ("GET", "/v1/inferences/inf_1"),
    ("GET", "/v1/inferences/inf_1/decision"),
    ("GET", "/v1/Usage/daily"),
    ("GET", "/v1/%75sage/daily"),
    ("POST", "/v1/Chat/Completions"),
    ("POST", "/v1/MESSAGES"),
    ("PUT", "/v1/chat/completions"),
    ("PATCH", "/v1/embeddings"),
    ("GET", "/v1"),
    ("GET", "/V1/files"),
    ("GET", "/x/keys"),
    ("POST", "/x/keys"),
    ("GET", "/dashboard"),
    ("GET", "/files"),
    ("HEAD", "/api/hello"),
]


@pytest.mark.parametrize(("method", "path"), RESERVED)
@pytest.mark.parametrize("version", ["", "2023-06-01"])
def test_what_is_ours_is_never_a_providers(vendors: Vendors, method: str, path: str, version: str) -> None:
    """Our own paths, also those to come, and what is not under `/v1`: an error in the dialect, and no call."""
    headers = {"authorization": f"Bearer {ALICE}"} | ({"anthropic-version": version} if version else {})
    response = httpx2.request(method, f"{vendors.house.url}{path}", headers=headers)
    assert response.status_code in (404, 405)
    if method != "HEAD":
        is_anthropic = response.json().get("type") == "error"
        assert is_anthropic == (bool(version) if "chat" not in path and "embeddings" not in path else is_anthropic)
        assert response.json()["error"]["message"]
    assert not vendors.openai.got + vendors.anthropic.got
    assert not vendors.house.inferences()


def test_what_is_stored_is_listed_at_the_provider(vendors: Vendors) -> None:
    """GET on a dialect's own path is no inference: stored completions, agents' own APIs."""
    for path in ("/v1/chat/completions", "/v1/chat/completions/c-1/messages", "/v1/agents/a"):
        assert vendors.house.get(path).status_code == 200
    assert len(vendors.openai.got) == 3


def test_it_can_be_switched_off(dynamodb_url: str) -> None:
    """With `pass_through: false` there is nothing but what the router itself answers."""
    with serve_vendors(dynamodb_url, pass_through=False) as vendors:
        with vendors.house.openai() as client, pytest.raises(openai.NotFoundError) as caught:
            client.files.list()
        assert "pass_through" in caught.value.message
        assert not vendors.openai.got
        assert not vendors.house.inferences()


@pytest.mark.parametrize("limits", [{"models": ("small",)}, {"profiles": ("both",)}])
def test_a_key_with_limits_may_not(vendors: Vendors, limits: Any) -> None:
    """A call that is not read cannot be held to models: 403 in the dialect, written down, nothing sent."""

    async def write(store: Store) -> None:
        await store.views.put_api_key(ApiKey(digest_of("sk-limited"), "carol", "t", **limits))

    vendors.house.at_table(write)
    with vendors.house.openai("sk-limited") as client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.files.list()
    assert caught.value.code == "pass_through_not_allowed"
    with vendors.house.anthropic("sk-limited") as claude, pytest.raises(anthropic.PermissionDeniedError):
        claude.beta.files.list()
    assert not vendors.openai.got + vendors.anthropic.got
    assert [(f.outcome, f.origin.caller) for f in vendors.house.facts()] == [(Outcome.REFUSED, "carol")] * 2


def test_no_key_is_401_in_the_dialect(vendors: Vendors) -> None:
    """Before anything else is looked at."""
    for path in ("/v1/files", "/v1/..%2f", "/v1/usage/daily"):
        response = httpx2.get(f"{vendors.house.url}{path}", headers={"anthropic-version": "2023-06-01"})
        assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")
    assert not vendors.anthropic.got


@pytest.mark.parametrize("disabled", [True, False])
def test_a_provider_that_may_not_be_called_is_not(dynamodb_url: str, disabled: bool) -> None:
    """Disabled: 403. Its budget spent: 402, with what and until when. Not one byte goes out."""
    with serve_vendors(dynamodb_url) as plain:
        origin = plain.openai.origin
    entry = {"name": "x", "kind": "openai_compat", "base_url": f"{origin}/v1", "enabled": not disabled}
    config: dict[str, Any] = {
        "providers": [entry | {"models": [model()]}],
        "profiles": {"both": {"routes": ["x/small"]}},
        "budgets": [{"scope": "provider:x", "period": "day", "limit_usd": 5 if disabled else 0}],
    }
    with serve_vendors(dynamodb_url, **config) as vendors:
        response = vendors.house.get("/v1/files")
        error = response.json()["error"]
        expected = (403, "provider_disabled") if disabled else (402, "budget_exceeded")
        assert (response.status_code, error["code"]) == expected
        assert disabled or error["resets_at"]
        assert [fact.outcome for fact in vendors.house.facts()] == [Outcome.REFUSED]
