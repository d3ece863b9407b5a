"""The vendors' own client classes, with a Warmroute router behind them.

    from warmroute import OpenAI          # instead of: from openai import OpenAI
    client = OpenAI()                     # WARMROUTE_URL and WARMROUTE_API_KEY, or base_url= and api_key=

`OpenAI`, `AsyncOpenAI`, `Anthropic` and `AsyncAnthropic` are real subclasses of the vendors' classes: every
argument, method and exception is the vendor's. Without any WARMROUTE_ setting they behave as the vendor's
classes do, and nothing of ours goes to a host that is not known to be a router; `warmroute.config` says which
are. WARMROUTE_API_KEY is sent to WARMROUTE_URL only.

`session("id")` ties calls together, `receipt(answer)` tells what a call cost and who served it.

Importing this package loads no vendor SDK: each one is loaded when its class is first named.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from warmroute.config import ConfigurationError
from warmroute.lookup import receipt
from warmroute.receipts import Attempt, Plan, Receipt, SessionTotals, Usage
from warmroute.sessions import Session, session

if TYPE_CHECKING:
    from warmroute.anthropic_client import Anthropic, AsyncAnthropic
    from warmroute.openai_client import AsyncOpenAI, OpenAI

__all__ = [
    "Anthropic",
    "AsyncAnthropic",
    "AsyncOpenAI",
    "Attempt",
    "ConfigurationError",
    "OpenAI",
    "Plan",
    "Receipt",
    "Session",
    "SessionTotals",
    "Usage",
    "receipt",
    "session",
]

_LAZY = {
    "OpenAI": "warmroute.openai_client",
    "AsyncOpenAI": "warmroute.openai_client",
    "Anthropic": "warmroute.anthropic_client",
    "AsyncAnthropic": "warmroute.anthropic_client",
}


def __getattr__(name: str) -> object:
    """Load a vendor's SDK when one of its classes is first asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
