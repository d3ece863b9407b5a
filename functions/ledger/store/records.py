"""Facts and views as DynamoDB items, both ways. What is not a key lies under one attribute.

A fact's item: `inference_id`, `sk`, `at`, `by_minute`, `by_session` (sessions only), `fact`, `notes` (what was
dropped and repaired, if anything was), `expires_at`.
An inference's: `inference_id`, `sk`, `state`, `origin`, `opened_at`, `plan`, `started`, `expires_at`, then
`by_minute` and `at` while it is open, and `closed_at`, `ending`, `status` after that. `fact` is the one
attribute that the indexes project, so a new field of a fact never needs a new index.
"""

from typing import Any

from ledger import keys
from ledger.items import (
    ApiKey,
    Fact,
    Inference,
    InferenceState,
    Started,
    pack_fact,
    pack_notes,
    pack_origin,
    unpack_fact,
    unpack_origin,
)
from ledger.outcomes import Ending
from ledger.views import ViewItem, ViewKey

Item = dict[str, Any]

FACTS_KEPT_S = 90 * 86_400
"""How long facts are kept. Views, and so totals and ownership, outlive them."""


def _expires(at_ms: int) -> int:
    return at_ms // 1000 + FACTS_KEPT_S


def fact_item(fact: Fact) -> Item:
    """An attempt's own row, or (n = 0) what is added to a refused inference's item."""
    sk = keys.attempt_sk(fact.n) if fact.n else keys.INFERENCE_SK
    item: Item = {
        "inference_id": fact.inference_id,
        "sk": sk,
        "at": fact.at,
        "by_minute": keys.fact_minute(fact.inference_id, fact.at),
        "fact": pack_fact(fact),
        "expires_at": _expires(fact.at),
    }
    if notes := pack_notes(fact):
        item["notes"] = notes
    if fact.session:
        item["by_session"] = keys.by_session(fact.origin.caller, fact.session)
    return item


def item_fact(item: Item) -> Fact:
    number, at = keys.attempt_number(item["sk"]), int(item["at"])
    return unpack_fact(item["inference_id"], number, at, item["fact"], item.get("notes"))


def pack_started(started: Started) -> Item:
    return {"n": started.n, "provider": started.provider, "model": started.model, "at": started.at}


def inference_item(inference: Inference) -> Item:
    """Of an inference that is open (with its place in the reaper's index), or already closed."""
    item: Item = {
        "inference_id": inference.inference_id,
        "sk": keys.INFERENCE_SK,
        "state": str(inference.state),
        "origin": pack_origin(inference.origin),
        "opened_at": inference.opened_at,
        "plan": inference.plan,
        "started": [pack_started(s) for s in inference.started],
        "expires_at": _expires(inference.opened_at),
    }
    if inference.state is InferenceState.OPEN:
        item |= {"by_minute": keys.open_minute(inference.inference_id, inference.opened_at)}
        item |= {"at": inference.opened_at}
    else:
        item |= {"closed_at": inference.closed_at, "ending": str(inference.ending)}
        item |= {"status": inference.status}
    return item


def item_inference(item: Item) -> Inference:
    ending = item.get("ending")
    return Inference(
        inference_id=item["inference_id"],
        origin=unpack_origin(item["origin"]),
        opened_at=item["opened_at"],
        plan=item["plan"],
        started=tuple(Started(**s) for s in item["started"]),
        state=InferenceState(item["state"]),
        closed_at=item.get("closed_at"),
        ending=Ending(ending) if ending else None,
        status=item.get("status"),
    )


def view_item(view: ViewItem) -> Item:
    item: Item = {
        "pk": view.key.pk,
        "sk": view.key.sk,
        "view": view.view,
        "through": view.through,
        "sealed": view.sealed,
        "open": view.open,
        "as_of": view.as_of,
        "version": view.version,
    }
    return item | ({"expires_at": view.expires_at} if view.expires_at else {})


def item_view(item: Item) -> ViewItem:
    return ViewItem(
        ViewKey(item["pk"], item["sk"]),
        item["view"],
        item["through"],
        item["sealed"],
        item["open"],
        item["as_of"],
        item["version"],
        item.get("expires_at"),
    )


def api_key_item(key: ApiKey) -> Item:
    return {"pk": keys.api_key_pk(key.digest), "sk": "key", "key": key.pack()}


def item_api_key(item: Item) -> ApiKey:
    return ApiKey.unpack(item["key"])
