"""The list of models, in both dialects, page by page: what the SDKs ask for and what Claude Code does."""

from typing import Any

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.items import ApiKey
from ledger.store.opened import Store
from route.api.models import models_document
from route.errors import BadRequest
from route.request.auth import digest_of
from tests.route.house import House

VERSION = {"anthropic-version": "2023-06-01"}
NAMES = [f"m{n}" for n in range(45)]


@pytest.mark.case("C25")
def test_each_sdk_gets_its_own_types(house: House) -> None:
    """Strictly valid in both dialects, the beta one too, in pages of any size; one model by its id."""
    with house.openai(_strict_response_validation=True) as client:
        ids = [each.id for each in client.models.list()]
        assert client.models.retrieve("a/small").owned_by == "warmroute"
    with house.anthropic(_strict_response_validation=True) as claude:
        for limit in (1, 3, 1000):
            assert [each.id for each in claude.models.list(limit=limit)] == ids
        assert [each.id for each in claude.beta.models.list(limit=2)] == ids
        found: Any = claude.models.retrieve("a/small")
        assert (found.id, found.lifecycle, found.max_tokens) == ("a/small", "active", None)
    assert {"chat", "messages", "small", "a/small"} <= set(ids)


def test_what_claude_code_asks(house: House) -> None:
    """`?limit=1000` has it all; its greeting is answered, one way or the other, without a provider."""
    page = house.get("/v1/models?limit=1000", anthropic_version="2023-06-01").json()
    assert (page["has_more"], page["first_id"]) == (False, page["data"][0]["id"])
    for path, status in (("/api/hello", 404), ("/", 200), ("/healthz", 200)):
        assert httpx2.head(f"{house.url}{path}").status_code == status
    assert httpx2.get(f"{house.url}/").json() == {"status": "ok"}
    assert not any(provider.requests for provider in house.providers.values())
    assert not house.inferences()


def test_a_model_that_is_not_there_is_404_in_the_dialect(house: House) -> None:
    """Of either vendor's class; and without a key nothing is told."""
    with house.openai() as client, pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"
    with house.anthropic() as claude, pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nope")
    with house.anthropic("sk-nobody") as claude, pytest.raises(anthropic.AuthenticationError):
        claude.models.list()


def test_a_key_with_limits_sees_what_it_may_use(house: House) -> None:
    """Also page by page, and another caller's model is as good as none."""

    async def write(store: Store) -> None:
        await store.views.put_api_key(ApiKey(digest_of("sk-limited"), "carol", "t", profiles=("messages",)))

    house.at_table(write)
    with house.anthropic("sk-limited") as client:
        assert [each.id for each in client.models.list(limit=1)] == ["messages"]
        with pytest.raises(anthropic.NotFoundError):
            client.models.retrieve("chat")


@given(st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=30), st.integers(1, 1000))
def test_pages_make_up_the_list(names: list[str], limit: int) -> None:
    """Forwards by `after_id` and backwards by `before_id`: each name once, in order, whatever a page's size."""
    forwards: list[str] = []
    page = _page(names, limit=limit)
    forwards += _ids(page)
    while page["has_more"]:
        page = _page(names, limit=limit, after_id=page["last_id"])
        forwards += _ids(page)
    assert forwards == names
    if names:
        backwards = [names[-1]]
        page = _page(names, limit=limit, before_id=names[-1])
        backwards = _ids(page) + backwards
        while page["has_more"]:
            page = _page(names, limit=limit, before_id=page["first_id"])
            backwards = _ids(page) + backwards
        assert backwards == names


def _page(names: list[str], **query: object) -> dict[str, Any]:
    return models_document(names, VERSION, {name: str(value) for name, value in query.items()})


def _ids(page: dict[str, Any]) -> list[str]:
    ids = [each["id"] for each in page["data"]]
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids


def test_the_vendors_own_numbers() -> None:
    """20 without a limit, up to 1000; OpenAI's list has no pages."""
    assert _ids(_page(NAMES)) == NAMES[:20]
    assert _ids(_page(NAMES, limit="")) == NAMES[:20]
    assert _ids(_page(NAMES, limit=1)) == NAMES[:1]
    assert _ids(_page(NAMES, limit=1000)) == NAMES
    assert len(models_document(NAMES, {}, {"limit": "1"})["data"]) == 45


def test_a_page_may_lie_between_two_names() -> None:
    """Forwards from the first, with whether there is more before the second; none where they do not lie so."""
    page = _page(NAMES, after_id="m1", before_id="m9", limit=3)
    assert (_ids(page), page["has_more"]) == (["m2", "m3", "m4"], True)
    page = _page(NAMES, after_id="m4", before_id="m9")
    assert (_ids(page), page["has_more"]) == (["m5", "m6", "m7", "m8"], False)
    page = _page(NAMES, after_id="m9", before_id="m1")
    assert (_ids(page), page["has_more"]) == ([], False)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": "1.5"},
        {"limit": "00001001"},
        {"limit": "9" * 5000},
        {"limit": "²"},
        {"after_id": "nope"},
        {"before_id": "nope"},
    ],
)
def test_a_page_that_cannot_be_is_a_400(query: dict[str, str]) -> None:
    """And not an empty list, which a client would take for the end."""
    with pytest.raises(BadRequest) as caught:
        models_document(NAMES, VERSION, query)
    assert caught.value.code == "invalid_page"


def test_a_page_that_cannot_be_is_told_in_the_dialect(house: House) -> None:
    """As the SDK's own class."""
    with house.anthropic() as client, pytest.raises(anthropic.BadRequestError):
        client.models.list(limit=0)
