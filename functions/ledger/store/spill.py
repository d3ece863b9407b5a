"""Items as text, for rows that the store does not take: what the router logs and a replay reads back."""

import orjson

from ledger.store.records import Item

_BINARY = ("plan",)
"""Attributes that are bytes, which JSON has not: they are written as hex digits."""


def spill(item: Item) -> str:
    """An item, or the part of one that a write would have added, as JSON. Amounts become decimal text."""
    return orjson.dumps(item, default=_plain).decode()


def unspill(text: str) -> Item:
    """The inverse of `spill`; amounts stay text, which readers of an item take. ValueError for what is none."""
    item = orjson.loads(text)
    if not isinstance(item, dict):
        raise ValueError("not an item")  # noqa: TRY004 - all that is wrong with a text is one kind of fault
    return {name: bytes.fromhex(value) if name in _BINARY else value for name, value in item.items()}


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
