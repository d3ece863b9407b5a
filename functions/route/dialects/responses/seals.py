"""Reasoning that OpenAI did not write, in the one field in which callers of Responses send reasoning back.

A reasoning item's `encrypted_content` is opaque to callers. Ours begins with a marker, and holds what the
provider that wrote the reasoning needs to know it again; of reasoning without a seal it holds nothing, and
only says that no provider of this dialect has ever seen the item.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARKER = "warmroute:"
ID_PREFIX = "rs_warmroute"
"""How the ids of our own reasoning items begin. No provider keeps such an item, so none knows its id."""


@dataclass(frozen=True, slots=True)
class Seal:
    """As in `neutral.Thinking`. Empty: none, or one that cannot be read."""

    signature: str = ""
    redacted: str = ""
    encrypted: str = ""


def is_ours(content: object) -> bool:
    return isinstance(content, str) and content.startswith(MARKER)


def is_reference_to_ours(item: Mapping[str, Any]) -> bool:
    """Whether an item stands for reasoning that we wrote: callers who take it for kept send its id alone."""
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
