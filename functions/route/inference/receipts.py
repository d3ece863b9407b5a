"""The receipt: what the caller is told about its inference, in the body of the answer."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from ledger.folds.session import Session
from ledger.items import Fact, Inference
from ledger.money import text, total
from ledger.prices import CostBasis
from ledger.usage import Usage
from route.fleet.sessions import session_document
from route.planning.plan import Plan
from route.recording.attempt_rows import IN_RECEIPTS, attempt_row

_BASES = (CostBasis.COMPUTED, CostBasis.REPORTED, CostBasis.SUBSCRIPTION)


def make_receipt(
    inference: Inference, facts: Sequence[Fact], plan: Plan, session: Session | None, now: int
) -> dict[str, Any]:
    """The receipt of an inference whose attempts are `facts`. Amounts are dollars as text; null is unknown."""
    served = inference.closing or facts[-1]
    cost = total(fact.cost_usd for fact in facts)
    wasted = total(fact.cost_usd for fact in facts if not fact.ok)
    return {
        "inference_id": inference.inference_id,
        "provider": served.provider,
        "model": served.model,
        "served_model": served.served_model or served.wire_model,
        "served_by": served.served_by or served.provider,
        "attempts": [attempt_row(fact, IN_RECEIPTS) for fact in facts],
        "usage": usage_document(sum((f.usage for f in facts if f.usage), Usage())),
        "cost_usd": text(cost),
        "cost_basis": _basis(facts) if cost is not None else None,
        "saved_usd": text(total(fact.saved_usd for fact in facts)),
        "wasted_usd": text(wasted),
        "estimated": any(fact.estimated for fact in facts),
        "dropped": list(served.dropped),
        "repaired": list(served.repaired),
        "plan": {
            "rule_fired": plan.rule_fired,
            "ruleset_hash": plan.ruleset_hash,
            "views_age_s": round((now - plan.views_as_of) / 1000, 1) if plan.views_as_of else None,
            "tool_loop": inference.origin.tool_loop or None,
            "dial": plan.record.inputs.rules.dial,
            "quality_floor": plan.record.decision.floor.quality,
            "dial_stopped_by": plan.record.decision.floor.stopped_by,
        },
        "session": session_document(inference.origin.session, session) if session else None,
    }


def _basis(facts: Iterable[Fact]) -> str | None:
    """The weakest basis of any part: a sum is no better founded than that."""
    bases = {fact.cost_basis for fact in facts}
    return next((str(basis) for basis in _BASES if basis in bases), None)


def usage_document(usage: Usage) -> dict[str, int]:
    """All counts, zeros too."""
    return asdict(usage)
