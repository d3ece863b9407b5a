"""Who asks: digests, headers, revoked and expired keys, the cache, a store that does not answer."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.items import ApiKey
from ledger.store.opened import Store
from route.errors import Forbidden, InvalidKey, StoreUnavailable, Unauthenticated
from route.request.auth import CACHED_KEYS, ApiKeys, digest_of, presented_key
from tests.ledger.make import NOW

BEARER = {"authorization": "Bearer sk-amy"}
CACHE_MS = 30_000


def a_key(key: str = "sk-amy", **more: object) -> ApiKey:
    return ApiKey.unpack({"digest": digest_of(key), "caller": "amy", "tenant": "acme-inc"} | more)


async def put(store: Store, key: ApiKey) -> ApiKey:
    await store.views.put_api_key(key)
    return key


@given(st.text(st.characters(max_codepoint=255)))
def test_a_digest_tells_nothing_of_its_key(key: str) -> None:
    """SHA-256 in hex: what is stored, for any key that a header can carry."""
    assert digest_of(key) == hashlib.sha256(key.encode()).hexdigest()
    assert len(digest_of(key)) == 64


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer sk-amy"}, "sk-amy"),
        ({"authorization": "bearer sk-amy"}, "sk-amy"),
        ({"authorization": "Bearer   sk-amy  "}, "sk-amy"),
        ({"x-api-key": "sk-amy"}, "sk-amy"),
        ({"x-api-key": " sk-amy "}, "sk-amy"),
        ({"authorization": "Bearer sk-amy", "x-api-key": "sk-bob"}, "sk-amy"),
        ({"authorization": "Bearer ", "x-api-key": "sk-bob"}, "sk-bob"),
        ({"authorization": "Basic YTpi", "x-api-key": "sk-bob"}, "sk-bob"),
    ],
)
@pytest.mark.case("C25")
def test_a_key_comes_in_either_header(headers: dict[str, str], key: str) -> None:
    """As each vendor's SDK sends it; Bearer first, where both are there."""
    assert presented_key(headers) == key


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic YTpi"},
        {"authorization": "sk-amy"},
        {"x-api-key": ""},
        {"x-api-key": "  "},
    ],
)
@pytest.mark.case("C25", "U11")
async def test_no_key_is_401(headers: dict[str, str], store: Store) -> None:
    """Before anything is looked up."""
    with pytest.raises(Unauthenticated) as caught:
        await ApiKeys(store.views, CACHE_MS).caller_of(headers, NOW)
    assert caught.value.status == 401


async def test_a_known_key_is_its_caller(store: Store) -> None:
    """With everything that was stored about it."""
    stored = await put(store, a_key(role="operator", profiles=["p"], models=["m"], expires_at_ms=NOW + 1))
    assert await ApiKeys(store.views, CACHE_MS).caller_of(BEARER, NOW) == stored
    assert await ApiKeys(store.views, CACHE_MS).caller_of({"x-api-key": "sk-amy"}, NOW) == stored


@pytest.mark.parametrize("key", ["sk-amy2", "sk-am", "SK-AMY", digest_of("sk-amy")])
async def test_an_unknown_key_is_401(key: str, store: Store) -> None:
    """Also one that is nearly right, and a digest that leaked from the table."""
    await put(store, a_key())
    with pytest.raises(InvalidKey) as caught:
        await ApiKeys(store.views, CACHE_MS).caller_of({"x-api-key": key}, NOW)
    assert caught.value.status == 401
    assert key not in caught.value.message


@pytest.mark.case("U11")
async def test_a_revoked_key_is_403(store: Store) -> None:
    """With a code of its own."""
    await put(store, a_key(active=False))
    with pytest.raises(Forbidden) as caught:
        await ApiKeys(store.views, CACHE_MS).caller_of(BEARER, NOW)
    assert (caught.value.status, caught.value.code) == (403, "key_revoked")


async def test_a_key_expires_at_its_instant(store: Store) -> None:
    """The millisecond before it is good, at it no more, also out of the cache."""
    await put(store, a_key(expires_at_ms=NOW))
    keys = ApiKeys(store.views, CACHE_MS)
    assert (await keys.caller_of(BEARER, NOW - 1)).caller == "amy"
    with pytest.raises(Forbidden) as caught:
        await keys.caller_of(BEARER, NOW)
    assert (caught.value.status, caught.value.code) == (403, "key_expired")


@pytest.mark.parametrize("key", [a_key(active=False), a_key(expires_at_ms=NOW)])
async def test_a_revocation_takes_effect_when_the_cache_expires(key: ApiKey, store: Store) -> None:
    """The millisecond before it the old answer may stand, at it no more."""
    await put(store, a_key())
    keys = ApiKeys(store.views, CACHE_MS)
    await keys.caller_of(BEARER, NOW)
    await put(store, key)
    assert (await keys.caller_of(BEARER, NOW + CACHE_MS - 1)).active
    with pytest.raises(Forbidden):
        await keys.caller_of(BEARER, NOW + CACHE_MS)


async def test_an_unknown_key_is_not_remembered(store: Store) -> None:
    """A key works as soon as it has been made."""
    keys = ApiKeys(store.views, CACHE_MS)
    with pytest.raises(InvalidKey):
        await keys.caller_of(BEARER, NOW)
    await put(store, a_key())
    assert (await keys.caller_of(BEARER, NOW)).caller == "amy"


async def test_the_cache_is_bounded_and_keeps_the_newest(store: Store) -> None:
    """The oldest of more keys than it holds is looked up again."""
    keys = ApiKeys(store.views, CACHE_MS)
    for i in range(CACHED_KEYS + 1):
        await put(store, a_key(f"sk-{i}"))
        await keys.caller_of({"x-api-key": f"sk-{i}"}, NOW)
    for i in (0, 1, CACHED_KEYS):
        await put(store, a_key(f"sk-{i}", active=False))
    assert (await keys.caller_of({"x-api-key": f"sk-{CACHED_KEYS}"}, NOW)).active
    assert (await keys.caller_of({"x-api-key": "sk-1"}, NOW)).active
    with pytest.raises(Forbidden):
        await keys.caller_of({"x-api-key": "sk-0"}, NOW)


@pytest.mark.case("P6")
async def test_an_unreadable_store_is_503(store: Store) -> None:
    """Fail closed: what was known is good until its cache expires, then nobody is let in."""
    await put(store, a_key())
    keys = ApiKeys(store.views, CACHE_MS)
    await keys.caller_of(BEARER, NOW)
    store.views.name = "gone"
    assert (await keys.caller_of(BEARER, NOW + CACHE_MS - 1)).caller == "amy"
    for now, headers in ((NOW + CACHE_MS, BEARER), (NOW, {"x-api-key": "sk-bob"})):
        with pytest.raises(StoreUnavailable) as caught:
            await keys.caller_of(headers, now)
        assert caught.value.status == 503
