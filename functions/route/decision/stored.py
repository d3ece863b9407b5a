"""A decision as it is stored and read.

Stored with each inference: the survey and what was decided from it, as compressed JSON. So the same decision can
be shown byte for byte as long as the fact is kept, and recomputed by any router, whatever its config and views.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

from ledger.moments import iso
from ledger.packing import unpacked
from route.decision.decide import CandidateVerdict, Decision, decide
from route.decision.gates import Floor, rests_until
from route.decision.inputs import Candidate, DecisionInputs
from route.digests import canonical

Document = dict[str, Any]

_DICTIONARY = (
    b'"expected_usd":"0.0"stay_usd":"0.0"leave_usd":"0.0","warm":true"cached_tokens":1"warm_until":17"warm_at":17'
    b'"health":"unhealthy","rest_until":17"health":"degraded","rest_until":17"probe":true"demotion":1'
    b'"wait_until":17"out_of_memory_until":17"tool_incapable":true"enabled":false"paid":true"allowed":false'
    b'"hard_budget":true"lacks":["tools","images","thinking","structured_output"]"refused":["messages[]'
    b'"budget":{"is_spent":true,"limit_usd":"200","period":"month","scope":"provider:","spent_usd":"0.'
    b'"reason":"lossy_translation""reason":"below_quality_floor""reason":"no_quality""reason":"budget_exhausted"'
    b'"reason":"exceeds_request_cap""reason":"memory_pressure""reason":"cooling_down""reason":"context_too_small"'
    b'"set_aside":"cooling_down""cheapest""fastest""expected_cost""adaptive":true"min_quality":0."quality_floor":0.'
    b'"dial":"quality""dial":"cost""thinks":false"one_route":true"latency_slo_ms":"request_cap_usd":"0.'
    b'"stopped_by":"min_quality"openai|gpt-5|anthropic|claude-sonnet-4-6|openrouter|bedrock|ollama|'
    b'{"decided":{"floor":{},"order":[0,1,2,3],"rule_fired":"pinned"default+warm","ruleset_hash":"",'
    b'"verdicts":[{"expected_usd":"0.0","projected_usd":"0.0"},{"expected_usd":"0.0","projected_usd":"0.0"}]},'
    b'"survey":{"asked":{"input_tokens":1,"output_tokens":1024},"candidates":[{"cache_read_per_mtok":"0.3",'
    b'"context_tokens":200000,"count":1,"input_per_mtok":"3","latency_ms":1,"output_per_mtok":"15","quality":0.9,'
    b'"route":"|","setup":"","successes":1},{"cache_read_per_mtok":"0.","context_tokens":1000000,"count":1'
    b',"input_per_mtok":"1","latency_ms":1,"output_per_mtok":"5","quality":0.8,"route":"|","setup":"","successes":1}]'
    b',"now":17,"rules":{"budgets":"","fired":"default","profile":""},"views_as_of":17}}'
)
"""What most decisions say, so that a stored one is little more than its figures. It can never be changed, only
followed by another one under another version: what is stored must stay readable.
"""

_VERSION = b"\x01"


@dataclass(frozen=True)
class DecisionRecord:
    """A survey and its decision, one thing from the moment it is made."""

    inputs: DecisionInputs
    decision: Decision

    @classmethod
    def of(cls, inputs: DecisionInputs) -> Self:
        return cls(inputs, decide(inputs))

    @property
    def body(self) -> bytes:
        """The decision and all that it depends on, in canonical JSON: the same bytes for the same decision."""
        return canonical({"survey": self.inputs.pack(), "decided": _packed(self.decision)})

    def pack(self) -> bytes:
        """The body as it is stored."""
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_DICTIONARY)
        return _VERSION + squeeze.compress(self.body) + squeeze.flush()

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The inverse of `pack`. ValueError for what is none of ours."""
        body: Document = json.loads(stored_body(packed))
        return cls(DecisionInputs.unpack(body["survey"]), _unpacked(body["decided"]))

    @cached_property
    def document(self) -> Document:
        """For readers: `{candidates, order, rule_fired, ruleset_hash, views_as_of, quality_floor, dial}`.

        `order` has route keys. A candidate's fields that are unknown or do not apply are left out. One that is a
        `last_resort` stands in the order, behind all that nothing speaks against.
        """
        inputs, decision = self.inputs, self.decision
        first = decision.order[0] if decision.order else None
        rows = [
            _row(candidate, verdict, inputs, decision.floor, chosen=place == first)
            | ({"last_resort": True} if verdict.reason and place in decision.order else {})
            for place, (candidate, verdict) in enumerate(zip(inputs.candidates, decision.verdicts, strict=True))
        ]
        return {
            "candidates": rows,
            "order": [inputs.candidates[place].route for place in decision.order],
            "rule_fired": decision.rule_fired,
            "ruleset_hash": decision.ruleset_hash,
            "views_as_of": iso(inputs.views_as_of) if inputs.views_as_of else None,
            "dial": inputs.rules.dial,
            "quality_floor": decision.floor.quality,
            "dial_stopped_by": decision.floor.stopped_by,
        }


def stored_body(packed: bytes) -> bytes:
    """What was stored, byte for byte. ValueError for what is none of ours."""
    if packed[:1] != _VERSION:
        raise ValueError("not a stored decision, or one of a newer router")
    stretch = zlib.decompressobj(-15, zdict=_DICTIONARY)
    try:
        return stretch.decompress(packed[1:]) + stretch.flush()
    except zlib.error as error:
        raise ValueError(f"not a stored decision: {error}") from None


def _packed(decision: Decision) -> Document:
    return {
        "order": list(decision.order),
        "verdicts": [_said(verdict) for verdict in decision.verdicts],
        "rule_fired": decision.rule_fired,
        "ruleset_hash": decision.ruleset_hash,
        "floor": _said(decision.floor),
    }


def _unpacked(packed: Mapping[str, Any]) -> Decision:
    return Decision(
        tuple(packed["order"]),
        tuple(unpacked(CandidateVerdict, verdict) for verdict in packed["verdicts"]),
        packed["rule_fired"],
        packed["ruleset_hash"],
        unpacked(Floor, packed["floor"]),
    )


def _said(values: CandidateVerdict | Floor) -> Document:
    return {name: value for name, value in asdict(values).items() if value is not None and value is not False}


def _row(
    candidate: Candidate, verdict: CandidateVerdict, inputs: DecisionInputs, floor: Floor, *, chosen: bool
) -> Document:
    row = {
        "route": candidate.route,
        "chosen": chosen,
        "eligible": verdict.reason is None,
        "cleared_floor": floor.clears(candidate),
        "rejection_reason": verdict.reason,
        "set_aside": verdict.set_aside,
        "refused": list(candidate.refused) if verdict.reason == "lossy_translation" else None,
        "input_per_mtok": candidate.input_per_mtok,
        "output_per_mtok": candidate.output_per_mtok,
        "quality": candidate.quality,
        "success_rate": round(float(Fraction(candidate.successes, candidate.count)), 6)
        if candidate.count
        else None,
        "latency_ms": candidate.latency_ms,
        "projected_usd": verdict.projected_usd,
        "expected_usd": verdict.expected_usd,
        "warm": verdict.warm,
        "stay_usd": verdict.stay_usd,
        "leave_usd": verdict.leave_usd,
        "health": candidate.health,
        "probe": candidate.probe or None,
        "demotion": candidate.demotion or None,
        "free_at": _free_at(candidate, inputs, verdict),
        "budget": asdict(candidate.budget) if candidate.budget else None,
    }
    return {name: value for name, value in row.items() if value is not None}


def _free_at(candidate: Candidate, inputs: DecisionInputs, verdict: CandidateVerdict) -> str | None:
    """Until when a soft reason holds, where that is an instant."""
    reason = verdict.reason or verdict.set_aside
    if reason == "memory_pressure":
        return iso(candidate.out_of_memory_until)
    if reason != "cooling_down":
        return None
    return iso(max(rests_until(candidate, inputs.rules), inputs.now))
