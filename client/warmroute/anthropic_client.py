"""`anthropic.Anthropic` and `anthropic.AsyncAnthropic` with a router behind them."""

from typing import TYPE_CHECKING, Any

import anthropic
import anthropic._client as vendor_client

from warmroute.config import ANTHROPIC
from warmroute.hooks import AsyncRouted, SyncRouted, signed_as


class _OneCredential:
    """Older versions send `ANTHROPIC_AUTH_TOKEN` beside an explicit key; a router must see its key alone."""

    if not TYPE_CHECKING:

        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            if self._router_url is not None and self.api_key and not arguments.get("auth_token"):
                self.auth_token = None


@signed_as(anthropic.Anthropic)
class Anthropic(_OneCredential, SyncRouted, anthropic.Anthropic):
    """`anthropic.Anthropic`, sent to the router that WARMROUTE_URL and WARMROUTE_API_KEY or arguments name.

    Arguments, methods, results and exceptions are the vendor's; `session()` is added. Without any
    WARMROUTE_ setting it behaves as `anthropic.Anthropic` does. Raises `warmroute.ConfigurationError` when
    only one of the two settings is there, and when a call would take WARMROUTE_API_KEY to another host than
    WARMROUTE_URL's.
    """

    _vendor = ANTHROPIC


@signed_as(anthropic.AsyncAnthropic)
class AsyncAnthropic(_OneCredential, AsyncRouted, anthropic.AsyncAnthropic):
    """`anthropic.AsyncAnthropic`, as `warmroute.Anthropic`."""

    _vendor = ANTHROPIC


def _count_as_base_clients() -> None:
    # The vendor discovers credentials and hands them to copies only for its two own classes, by identity.
    # Ours stand in for these, so they count too. Versions that do not ask have no such function.
    original = getattr(vendor_client, "_is_base_client", None)
    if original is not None:
        ours = (Anthropic, AsyncAnthropic)
        vendor_client._is_base_client = lambda client: type(client) in ours or original(client)


_count_as_base_clients()
