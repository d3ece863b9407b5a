"""Watermarks: the minute that a reader of the ledger has finished with. They only move forward."""

from dataclasses import dataclass

from ledger.store.opened import Store
from ledger.store.records import Item
from ledger.views import WATERMARK_KEY, ViewKey


@dataclass(frozen=True, slots=True)
class Watermark:
    """Where a mark is stored: the key of its item, and the attribute that holds the minute."""

    key: ViewKey
    attribute: str


SEALED = Watermark(ViewKey(*WATERMARK_KEY), "sealed_through")
"""Every fact of this minute and of those before it is in the views for good."""

REAPED = Watermark(ViewKey("rollup", "reaper"), "reaped_through")
"""No inference that was opened in this minute or before it is open still."""


async def read_watermark(store: Store, mark: Watermark, *, start: str) -> str:
    """The minute of a mark. Where there is none yet, one of several readers sets it to its `start`."""
    while (item := await _stored(store, mark)) is None:
        await store.views.put_view_item(_item(mark, start, 1), if_version=0)
    minute: str = item[mark.attribute]
    return minute


async def move_watermark(store: Store, mark: Watermark, minute: str) -> bool:
    """Forward to `minute`. False when it is there or further already."""
    while item := await _stored(store, mark):
        if item[mark.attribute] >= minute:
            return False
        version = item["version"]
        if await store.views.put_view_item(_item(mark, minute, version + 1), if_version=version):
            return True
    raise LookupError(f"no mark {mark.key}: it is read before it is moved")


async def _stored(store: Store, mark: Watermark) -> Item | None:
    return await store.views.get_view_item(mark.key, consistent=True)


def _item(mark: Watermark, minute: str, version: int) -> Item:
    return {"pk": mark.key.pk, "sk": mark.key.sk, mark.attribute: minute, "version": version}
