"""What the caller is told about its inference: in the body, in headers, and about a session's totals."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from ledger.folds.session import Session
from ledger.items import Fact, Inference
from ledger.moments import iso
from ledger.money import text, total
from ledger.prices import CostBasis
from ledger.usage import Usage
from route.planning.plan import Plan
from route.wire import ATTEMPTS_HEADER, INFERENCE_ID_HEADER, OVERHEAD_HEADER, ROUTE_HEADER

_BASES = (CostBasis.COMPUTED, CostBasis.REPORTED, CostBasis.SUBSCRIPTION)


def make_receipt(
    inference: Inference, facts: Sequence[Fact], plan: Plan, session: Session | None, now: int
) -> dict[str, Any]:
    """The receipt of an inference whose attempts are `facts`. Amounts are dollars as text; null is unknown."""
    served = facts[-1]
    cost = total(fact.cost_usd for fact in facts)
    wasted = total(fact.cost_usd for fact in facts if not fact.ok)
    return {
        "inference_id": inference.inference_id,
        "provider": served.provider,
        "model": served.model,
        "served_model": served.served_model or served.wire_model,
        "served_by": served.served_by or served.provider,
        "attempts": [_attempt(fact) for fact in facts],
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
        "session": session_totals(inference.origin.session, session) if session else None,
    }


def _attempt(fact: Fact) -> dict[str, Any]:
    return {
        "n": fact.n,
        "route": fact.route,
        "outcome": str(fact.outcome),
        "kind": fact.kind and str(fact.kind),
        "latency_ms": fact.latency_ms,
        "ttft_ms": fact.ttft_ms,
        "cost_usd": text(fact.cost_usd),
    }


def _basis(facts: Iterable[Fact]) -> str | None:
    """The weakest basis of any part: a sum is no better founded than that."""
    bases = {fact.cost_basis for fact in facts}
    return next((str(basis) for basis in _BASES if basis in bases), None)


def usage_document(usage: Usage) -> dict[str, int]:
    """All counts, zeros too."""
    return asdict(usage)


def session_totals(sid: str, session: Session) -> dict[str, Any]:
    """A session as its caller sees it; `warm` has one row per model."""
    return {
        "session": sid,
        "calls": session.calls,
        "errors": session.errors,
        "tokens_in": session.tokens_in,
        "tokens_out": session.tokens_out,
        "tokens_cached": session.tokens_cached,
        "cost_usd": text(session.cost_usd),
        "saved_usd": text(session.saved_usd),
        "unpriced": session.unpriced,
        "warm": [
            {
                "model": model,
                "provider": warm.provider,
                "served_by": warm.served_by or warm.provider,
                "warm_until": iso(warm.warm_until),
                "cached_tokens": warm.cached_tokens,
            }
            for model, warm in sorted(session.warm.items())
        ],
    }


def answer_headers(inference_id: str, route: str, attempts: int, overhead_ms: int) -> dict[str, str]:
    """On every routed answer. Both vendors' request-id headers carry our id, so that an SDK's error shows it."""
    return {
        "x-request-id": inference_id,
        "request-id": inference_id,
        INFERENCE_ID_HEADER: inference_id,
        ROUTE_HEADER: route,
        ATTEMPTS_HEADER: str(attempts),
        OVERHEAD_HEADER: str(overhead_ms),
    }
