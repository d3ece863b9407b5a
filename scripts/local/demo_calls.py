"""The calls that the demo's program makes: what is kept of each, and the complaint about a wrong answer."""

from dataclasses import dataclass
from typing import Any

from ledger.routes import parse_route_key
from local.demo_stage import DemoFault
from warmroute import Receipt, receipt

SESSION = "trip-to-oslo"
HELLO: list[Any] = [{"role": "user", "content": "hello there"}]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its caller saw it: a label for people, and the receipt that came with the answer."""

    label: str
    receipt: Receipt

    @property
    def inference_id(self) -> str:
        return self.receipt.inference_id or ""

    @property
    def providers(self) -> list[str]:
        """The names of the providers that were asked, in order."""
        return [parse_route_key(attempt.route or "||").provider for attempt in self.receipt.attempts]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some calls, and a few sentences on what they prove."""

    title: str
    proves: str
    calls: tuple[Call, ...]


def kept(label: str, answer: object) -> Call:
    """The call with the receipt of its answer. DemoFault when there is none."""
    found = receipt(answer)
    if found is None or not found.inference_id:
        raise DemoFault(f"{label}: the answer came without a receipt")
    return Call(label, found)


def expect(found: object, wanted: object) -> None:
    """DemoFault when they are not equal."""
    if found != wanted:
        raise DemoFault(f"an answer was {found!r}, it should have been {wanted!r}")
