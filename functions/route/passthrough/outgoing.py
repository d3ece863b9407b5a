"""A request that is passed through, as it goes out: the caller's bytes under our name, with our key."""

from dataclasses import replace

from yarl import URL

from route.passthrough.destination import headers_passed_on
from route.providers.base import Outgoing, Provider
from route.request.incoming import Incoming
from route.request.paths import VERSION

_OURS = {"accept-encoding": "identity", "user-agent": "warmroute"}


def outgoing_call(provider: Provider, incoming: Incoming, body: bytes) -> Outgoing:
    """The call at this provider. `body`: the caller's, with the model's name as this provider has it."""
    vendor = incoming.dialect
    call = provider.addressed(vendor.name, {}, headers_passed_on(incoming), "")
    base = str(URL(call.url)).removesuffix(vendor.path.removeprefix(VERSION))
    query = f"?{incoming.query}" if incoming.query else ""
    configured = {name.lower(): value for name, value in provider.config.headers.items()}
    call = replace(
        call,
        method=incoming.method,
        url=base + incoming.path.removeprefix(VERSION) + query,
        is_encoded=True,
        headers={**_OURS, **call.headers, **configured},
        body=body,
    )
    return replace(call, headers={**call.headers, **provider.auth_headers(call), **configured})
