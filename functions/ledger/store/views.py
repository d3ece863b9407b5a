"""The views table: view items, the routers' snapshot, marks, claims of probes, API keys."""

from collections.abc import Iterable
from typing import Any

from aiodynamo.expressions import F, HashKey, RangeKey

from ledger import keys
from ledger.items import ApiKey
from ledger.store import records
from ledger.store.connection import Connection
from ledger.store.records import Item
from ledger.views import ViewItem, ViewKey

VIEWS_TABLE = "warmroute-views"
"""Its name where nobody says another. A deployment does: there CloudFormation makes it."""

_CLAIM_KEPT_S = 86_400


def _claim(route: str, until: int) -> Item:
    expires_at = until // 1000 + _CLAIM_KEPT_S
    return {"pk": keys.probe_pk(route), "sk": "probe", "until": until, "expires_at": expires_at}


class ViewsTable:
    """Whatever is derived from facts, and what is configured by the operator. All times in ms since the epoch."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    async def get_view_item(self, key: ViewKey, *, consistent: bool = False) -> Item | None:
        """One raw item, or None."""
        return await self.connection.get(self.name, {"pk": key.pk, "sk": key.sk}, consistent=consistent)

    async def put_view_item(self, item: Item, *, if_version: int | None = None) -> bool:
        """Writes a raw item; with `if_version` only over that version (0: only if there is none)."""
        condition = None
        if if_version is not None:
            condition = F("version").equals(if_version) if if_version else F("pk").does_not_exist()
        return await self.connection.put(self.name, item, condition)

    async def get_views(self, wanted: Iterable[ViewKey]) -> dict[ViewKey, ViewItem]:
        """Those of some view items that exist. Consistent reads."""
        items = await self.connection.get_many(self.name, [{"pk": key.pk, "sk": key.sk} for key in wanted])
        return {view.key: view for view in map(records.item_view, items)}

    async def put_view(self, item: ViewItem, *, over: int) -> bool:
        """Writes a view item over its version `over`. False when somebody else wrote it meanwhile."""
        return await self.put_view_item(records.view_item(item), if_version=over)

    async def delete_view(self, item: ViewItem) -> bool:
        """Removes a view item in this version. False when somebody else wrote it meanwhile."""
        key = {"pk": item.key.pk, "sk": item.key.sk}
        return await self.connection.delete(self.name, key, F("version").equals(item.version))

    async def query_views(
        self, pk: str, *, prefix: str = "", between: tuple[str, str] | None = None, consistent: bool = False
    ) -> list[ViewItem]:
        """The view items of a partition, in the order of their sort keys."""
        key: Any = HashKey("pk", pk)
        if between:
            key = key & RangeKey("sk").between(*between)
        elif prefix:
            key = key & RangeKey("sk").begins_with(prefix)
        items = await self.connection.query(self.name, key, consistent_read=consistent)
        return [records.item_view(item) for item in items]

    # Probes

    async def claim_probe(self, route: str, *, now: int, until: int) -> bool:
        """Whether the caller alone may probe a route until then. False while somebody else's claim lasts."""
        is_free = F("pk").does_not_exist() | F("until").lte(now)
        return await self.connection.put(self.name, _claim(route, until), is_free)

    async def end_probe(self, route: str, *, claimed_until: int, until: int) -> bool:
        """A claim lasts until another instant. False when it has ended meanwhile, and may be somebody else's."""
        return await self.connection.put(self.name, _claim(route, until), F("until").equals(claimed_until))

    # API keys

    async def get_api_key(self, digest: str) -> ApiKey | None:
        item = await self.get_view_item(ViewKey(keys.api_key_pk(digest), "key"))
        return records.item_api_key(item) if item else None

    async def put_api_key(self, key: ApiKey) -> None:
        await self.put_view_item(records.api_key_item(key))
