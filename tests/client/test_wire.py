"""The client's and the router's names on the wire."""

from types import ModuleType

import route.wire
import warmroute.wire


def _names(module: ModuleType) -> dict[str, str]:
    return {name: value for name, value in vars(module).items() if name.isupper()}


def test_the_client_and_the_router_use_the_same_names() -> None:
    """Neither side can rename a header or a field alone."""
    assert _names(warmroute.wire) == _names(route.wire)


def test_header_names_are_lower_case() -> None:
    """HTTP/2 and ASGI carry lower case only, so the constants compare equal to what arrives."""
    headers = {name: value for name, value in _names(warmroute.wire).items() if name.endswith("_HEADER")}
    assert len(headers) == 11
    assert all(value == value.lower() for value in headers.values())
