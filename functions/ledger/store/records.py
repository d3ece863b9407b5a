"""Facts and views as DynamoDB items, both ways. What is not a key lies under one attribute.

The attributes of a fact are `at`, `by_minute`, `by_session` (sessions only), `fact`, and `notes` (what was dropped
and repaired, if anything was). An attempt's item has these beside `inference_id`, `sk` and `expires_at`.
An inference's item has `inference_id`, `sk`, `state`, `plan` and `expires_at`. While it is open it also has
`origin`, the map `started`, `at` (when it was opened) and its place in the reaper's index, `by_minute`. Its close
replaces these by the attributes of the fact that it carries, whose number is `fact.n`, and by `status` where that
is not the usual one of such an ending.
`fact` is the one attribute that the indexes project, so a new field of a fact never needs a new index.
"""

from typing import Any

from ledger import keys
from ledger.items import (
    ApiKey,
    Fact,
    Inference,
    InferenceState,
    Origin,
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


def fact_attributes(fact: Fact) -> Item:
    """What both an attempt's item and that of a closed inference say of a fact."""
    attributes: Item = {
        "at": fact.at,
        "by_minute": keys.fact_minute(fact.inference_id, fact.at),
        "fact": pack_fact(fact),
    }
    if notes := pack_notes(fact):
        attributes["notes"] = notes
    if fact.session:
        attributes["by_session"] = keys.by_session(fact.origin.caller, fact.session)
    return attributes


def attempt_item(fact: Fact) -> Item:
    """An attempt's own row."""
    key = {"inference_id": fact.inference_id, "sk": keys.attempt_sk(fact.n, completes=fact.completes)}
    return key | fact_attributes(fact) | {"expires_at": _expires(fact.at)}


def item_fact(item: Item) -> Fact:
    """The fact on an item, an attempt's or a closed inference's, or on the part of one that an index has."""
    packed, sk = item["fact"], item["sk"]
    number = packed.get("n", 0) if sk == keys.INFERENCE_SK else keys.attempt_number(sk)
    return unpack_fact(item["inference_id"], number, int(item["at"]), packed, item.get("notes"))


def inference_key(inference_id: str) -> Item:
    return {"inference_id": inference_id, "sk": keys.INFERENCE_SK}


def pack_started(started: Started) -> Item:
    return {"provider": started.provider, "model": started.model, "at": started.at}


def _pack_all_started(inference: Inference) -> Item:
    return {str(each.n): pack_started(each) for each in inference.started}


def unpack_all_started(packed: Item) -> tuple[Started, ...]:
    """The attempts of an item's map `started`, in the order of their numbers."""
    return tuple(Started(n=int(n), **packed[n]) for n in sorted(packed, key=int))


def started_item(inference_id: str, started: Started) -> Item:
    """The part of an open inference's item that says that another attempt began."""
    return inference_key(inference_id) | {"started": {str(started.n): pack_started(started)}}


def closing_attributes(inference: Inference, closing: Fact) -> Item:
    """What the close of an inference sets on its item."""
    attributes = fact_attributes(closing) | {"state": str(inference.state)}
    if closing.n:
        # The sort key does not say which attempt this is.
        attributes["fact"]["n"] = closing.n
    is_usual = inference.status == _usual_status(closing)
    return attributes if is_usual else attributes | {"status": inference.status}


def _usual_status(closing: Fact | None) -> int | None:
    """The HTTP status of an inference that ended so, where its item says no other."""
    return 200 if closing and closing.closes in (Ending.OK, Ending.FALLBACK) else None


def inference_item(inference: Inference) -> Item:
    """Of an inference that is open (with its place in the reaper's index), or closed."""
    item = inference_key(inference.inference_id) | {
        "state": str(inference.state),
        "plan": inference.plan,
        "expires_at": _expires(inference.opened_at),
    }
    if inference.closing is not None:
        return item | closing_attributes(inference, inference.closing)
    return item | {
        "origin": pack_origin(inference.origin),
        "started": _pack_all_started(inference),
        "by_minute": keys.open_minute(inference.inference_id, inference.opened_at),
        "at": inference.opened_at,
    }


ONLY_WHILE_OPEN = ("origin", "started")
"""Attributes that a close removes, since the facts of its attempts say the same."""


def item_inference(item: Item) -> Inference:
    closing = item_fact(item) if "fact" in item else None
    origin: Origin = closing.origin if closing else unpack_origin(item["origin"])
    return Inference(
        inference_id=item["inference_id"],
        origin=origin,
        plan=item["plan"],
        started=unpack_all_started(item.get("started", {})),
        state=InferenceState(item["state"]),
        status=item.get("status", _usual_status(closing)),
        closing=closing,
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
