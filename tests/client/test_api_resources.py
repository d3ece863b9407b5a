"""The vendors' own tests of their APIs, in strict mode, against the router: an outside judge of every field."""

from typing import Any

import pytest

from ledger.items import ApiKey
from ledger.store.opened import Store
from local.vendor_suites import SUITES, CannotFetch, Run, model_names, run_against
from route.request.auth import digest_of
from tests.route.house import build_house

# The keys that the suites' own fixtures send.
KEYS = ("my-anthropic-api-key", "my-auth-token", "My Auth Token", "My API Key", "My Admin API Key")


async def admit(store: Store) -> None:
    for key in KEYS:
        await store.views.put_api_key(ApiKey(digest_of(key), "suite", tenant="vendor"))


def run(vendor: str, dynamodb_url: str, default: str) -> Run:
    """With a profile of that vendor's dialect as the default, since the suites name models of their own.

    A profile of one route, since they also send what only one provider can keep; and a provider without rules,
    since what they send means nothing.
    """
    profiles = {"chat": {"routes": ["a/small"]}, "messages": {"routes": ["c/small"]}}
    named: dict[str, Any] = {
        "profiles": profiles,
        "default_profile": default,
        "aliases": dict.fromkeys(model_names(SUITES[vendor]), default),
    }
    with build_house(dynamodb_url, strict=False, **named) as house:
        house.at_table(admit)
        base_url = f"{house.url}/v1" if vendor == "openai" else house.url
        try:
            return run_against(SUITES[vendor], base_url)
        except CannotFetch as error:
            pytest.skip(f"the suite cannot be fetched here: {error}")


def failed(run: Run) -> list[str]:
    return sorted(test for test, outcome in run.outcomes.items() if outcome not in ("passed", "skipped"))


@pytest.mark.vendor_suites
@pytest.mark.case("C25")
def test_anthropic_s_own_tests_of_its_api_pass(dynamodb_url: str) -> None:
    """Messages, beta messages, counting, and models: created, streamed, listed, and checked strictly."""
    done = run("anthropic", dynamodb_url, "messages")
    assert failed(done) == []
    assert done.count("passed") >= 200


@pytest.mark.vendor_suites
@pytest.mark.case("C25")
def test_openai_s_own_tests_of_its_api_pass(dynamodb_url: str) -> None:
    """Chat completions, responses, embeddings and models; stored ones, which are passed through, included."""
    done = run("openai", dynamodb_url, "chat")
    assert failed(done) == []
    assert done.count("passed") >= 120
