"""A router before two servers of a few lines: what reaches them, and what they say, is up to the test."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.route.calling.little_server import Got, LittleServer, Reply
from tests.route.house import ALICE, House, build_house, model


class Vendors:
    """A house whose routes `x/small` (OpenAI) and `y/small` (Anthropic) end at servers of ours."""

    def __init__(self, house: House, openai: LittleServer, anthropic: LittleServer) -> None:
        self.house, self.openai, self.anthropic = house, openai, anthropic
        self.reply: Callable[[Got], Reply] = lambda _got: Reply()

    @property
    def got(self) -> Got:
        """The only request that reached a provider."""
        [got] = [*self.openai.got, *self.anthropic.got]
        return got


@contextmanager
def serve_vendors(dynamodb_url: str, **config: Any) -> Iterator[Vendors]:
    """Both servers answer with `reply`, which a test may change. `config` replaces whole top-level keys."""
    place: list[Vendors] = []

    def answer(got: Got) -> Reply:
        return place[0].reply(got)

    with LittleServer(answer) as first, LittleServer(answer) as second:
        x = {"name": "x", "kind": "openai_compat", "base_url": f"{first.origin}/v1", "api_key": "env:K"}
        y = {"name": "y", "kind": "anthropic", "base_url": second.origin, "api_key": "env:K"}
        providers = [
            x | {"models": [model()], "headers": {"x-title": "app"}},
            y | {"models": [model(), model("large")]},
        ]
        profiles = {"both": {"routes": ["y/small", "x/small"]}, "openai": {"routes": ["x/small"]}}
        usual: dict[str, Any] = {"providers": providers, "profiles": profiles, "default_profile": "both"}
        with build_house(dynamodb_url, **(usual | config)) as house:
            place.append(Vendors(house, first, second))
            yield place[0]


def says(document: Any, status: int = 200, **headers: str) -> Callable[[Got], Reply]:
    """A server that answers everything with one document. Header names have `_` for `-`."""
    named = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda _got: Reply(status, [json.dumps(document).encode()], named)


def raw(house: House, request: bytes) -> bytes:
    """What comes back for bytes that no HTTP client would send."""
    host, port = house.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(request)
        received = b""
        while part := caller.recv(65_536):
            received += part
    return received


def line(house: House, target: str, method: str = "GET", *lines: str) -> bytes:
    """What comes back for a request with this target, sent as it stands."""
    head = [
        f"{method} {target} HTTP/1.1",
        "host: x",
        f"authorization: Bearer {ALICE}",
        "connection: close",
        *lines,
    ]
    return raw(house, "\r\n".join([*head, "", ""]).encode("latin-1"))
