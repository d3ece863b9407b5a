"""Carries other providers' seals of reasoning in `encrypted_content`, which callers of Responses send back.

The field is opaque to callers. The router's own values begin with a marker and hold the seal that the provider
of the reasoning needs to accept it back. For reasoning without a seal they hold nothing, and the marker alone
shows that no provider of this dialect has ever had the item.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARKER = "warmroute:"
ID_PREFIX = "rs_warmroute"
"""The beginning of the ids of the router's own reasoning items, which no provider keeps or knows."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal, with the fields of `neutral.Thinking`. All empty: there is none, or it cannot be read."""

    signature: str = ""
    redacted: str = ""
    encrypted: str = ""


def is_ours(content: object) -> bool:
    """Whether an `encrypted_content` was written by this router."""
    return isinstance(content, str) and content.startswith(MARKER)


def is_reference_to_ours(item: Mapping[str, Any]) -> bool:
    """Whether an item is a mere reference to the router's own reasoning, which some callers take for stored."""
    item_id = item.get("id")
    is_reference = item.get("type", "item_reference") == "item_reference" and "role" not in item
    return is_reference and isinstance(item_id, str) and item_id.startswith(f"{ID_PREFIX}_")


def pack(seal: Seal) -> str:
    """The `encrypted_content` that holds a seal."""
    if seal.encrypted:
        return seal.encrypted
    held = {"signature": seal.signature, "redacted": seal.redacted}
    document = json.dumps({name: value for name, value in held.items() if value}, separators=(",", ":"))
    return MARKER + base64.urlsafe_b64encode(document.encode()).decode()


def unpack(content: str) -> Seal:
    """The seal that an `encrypted_content` holds."""
    if not is_ours(content):
        return Seal(encrypted=content)
    try:
        held = json.loads(base64.urlsafe_b64decode(content.removeprefix(MARKER).encode()))
    except (ValueError, RecursionError):
        return Seal()
    if not isinstance(held, dict):
        return Seal()
    said = {name: held.get(name) for name in ("signature", "redacted")}
    return Seal(**{name: value for name, value in said.items() if isinstance(value, str)})
