"""What is said of a stored decision: to its caller as it was made, to operators made again from what is stored."""

from collections.abc import Mapping
from typing import Any

from route.decision.stored import DecisionRecord, Document, stored_body


def decision_document(inference_id: str, plan: bytes) -> Document:
    """What a caller can read of a decision: as decided, and as dashboards show it. Empty where there was none."""
    record = DecisionRecord.unpack(plan).document if plan else {"candidates": [], "order": []}
    shown = [
        {"route": row["route"], "chosen": row["chosen"], "excluded": excluded(row)} for row in record["candidates"]
    ]
    return {"inference_id": inference_id, **record, "dashboard_candidates": shown}


def excluded(row: Mapping[str, Any]) -> str | None:
    """Why a candidate is out: its own reason, else that it is not eligible or below the floor. None: it is in."""
    if row.get("rejection_reason"):
        return str(row["rejection_reason"])
    if not row["eligible"]:
        return "ineligible"
    return None if row["cleared_floor"] else "below_floor"


def explain(inference_id: str, plan: bytes) -> Document:
    """The decision made again from what is stored: `same` says whether it gives the very bytes that are stored.

    By the rules of this router: where they are others than those that decided, the two rulesets differ too.
    """
    if not plan:
        return {"inference_id": inference_id, "same": None, "survey": None, "decided": None, "recomputed": None}
    stored = DecisionRecord.unpack(plan)
    again = DecisionRecord.of(stored.inputs)
    return {
        "inference_id": inference_id,
        # Of the bodies: how well a zlib squeezes them may differ from one to the next.
        "same": again.body == stored_body(plan),
        "survey": stored.inputs.pack(),
        "decided": stored.document,
        "recomputed": again.document,
    }
