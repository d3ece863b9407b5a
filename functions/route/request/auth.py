"""Who asks. Keys are looked up by their SHA-256 digest; a key itself is never stored and never logged."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping

from ledger.items import ApiKey
from ledger.store.connection import StoreError
from ledger.store.views import ViewsTable
from route.errors import Forbidden, InvalidKey, StoreUnavailable, Unauthenticated

CACHED_KEYS = 1_000

OPERATOR = "operator"
"""The role of a key that may see what is not one caller's own."""


def digest_of(key: str) -> str:
    """The 64 hex digits under which a key is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def presented_key(headers: Mapping[str, str]) -> str:
    """From `Authorization: Bearer` or `x-api-key`. Raises Unauthenticated when there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else ""
    key = key or headers.get("x-api-key", "").strip()
    if not key:
        raise Unauthenticated
    return key


class ApiKeys:
    """The key store with a small cache, so that revoking a key takes effect within `cache_ms`."""

    def __init__(self, views: ViewsTable, cache_ms: int) -> None:
        self._views = views
        self._cache_ms = cache_ms
        self._cache: OrderedDict[str, tuple[int, ApiKey]] = OrderedDict()

    async def caller_of(self, headers: Mapping[str, str], now: int) -> ApiKey:
        """The caller. Raises Unauthenticated, InvalidKey, Forbidden, or StoreUnavailable (fail closed)."""
        digest = digest_of(presented_key(headers))
        key = await self._find(digest, now)
        # The look-up compared the digest already; this comparison takes the same time for every key.
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise InvalidKey
        if not key.active:
            raise Forbidden("key_revoked", "This API key has been revoked.")
        if key.expires_at_ms is not None and now >= key.expires_at_ms:
            raise Forbidden("key_expired", "This API key has expired.")
        return key

    async def _find(self, digest: str, now: int) -> ApiKey | None:
        cached = self._cache.get(digest)
        if cached and now - cached[0] < self._cache_ms:
            return cached[1]
        try:
            key = await self._views.get_api_key(digest)
        except StoreError:
            raise StoreUnavailable("The key store") from None
        if key is not None:
            self._cache[digest] = (now, key)
            self._cache.move_to_end(digest)
            if len(self._cache) > CACHED_KEYS:
                self._cache.popitem(last=False)
        return key
