"""The plan of a request: the decision from what is known now, with the routes and the words to say it by.

`surveying` makes plain values of config, request and views; the decision is `decision.decide`, which sees nothing
else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ledger.folds.session import Warm
from ledger.snapshot import Snapshot
from route.config.file import Config
from route.config.profiles import ProfileConfig
from route.config.routes import Route
from route.decision.decide import CandidateVerdict, to_be_tried, with_probe
from route.decision.inputs import Candidate
from route.decision.stored import DecisionRecord, Document
from route.errors import ApiError
from route.planning.gather import PlanContext, gather_inputs
from route.planning.refusals import refusal_of
from route.request.parse import Request
from route.request.translation import Translator


@dataclass(frozen=True, slots=True)
class Plan:
    """The routes to try, best first, the decision behind them, and how the request is said to each route.

    `chain`: every candidate, in the order of the survey. `claimed_until` (ms): of the route that it probes.
    `warnings` are for the log alone: `{"scope", "period", "spent_usd", "limit_usd"}`, amounts as text, of each
    budget with `action: warn` whose limit is reached and whose provider is among the routes.
    """

    chain: tuple[Route, ...]
    record: DecisionRecord
    translator: Translator
    refusal: ApiError | None = None
    warnings: tuple[dict[str, str | None], ...] = ()
    claimed_until: int | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple(self.chain[place] for place in self.record.decision.order)

    @property
    def profile(self) -> ProfileConfig:
        return self.translator.request.choice.profile

    @property
    def probe(self) -> str | None:
        """The route that this request tries on behalf of the fleet."""
        return next((known.route for known in self.record.inputs.candidates if known.probe), None)

    @property
    def judged(self) -> Iterable[tuple[Candidate, CandidateVerdict]]:
        """Each candidate, and what was decided of it."""
        return zip(self.record.inputs.candidates, self.record.decision.verdicts, strict=True)

    @property
    def candidates(self) -> list[Document]:
        """A row each, as readers of the decision get it."""
        rows: list[Document] = self.record.document["candidates"]
        return rows

    @property
    def rule_fired(self) -> str:
        return self.record.decision.rule_fired

    @property
    def ruleset_hash(self) -> str:
        return self.record.decision.ruleset_hash

    @property
    def views_as_of(self) -> int:
        return self.record.inputs.views_as_of

    def pack(self) -> bytes:
        """The decision as it is stored with the inference: the same bytes for the same plan."""
        return self.record.pack()


def make_plan(
    request: Request, config: Config, snapshot: Snapshot, warm: Iterable[tuple[str, Warm]], now: int
) -> Plan:
    """The plan for a request. `warm`: the session's warm routes, by model."""
    context = PlanContext(request, Translator(request), config, snapshot, now)
    routes = config.routes_of(request.choice.profile.routes)
    if request.choice.profile.order != "static":
        routes = sorted(routes, key=lambda route: route.key)
    return _plan(DecisionRecord.of(gather_inputs(context, routes, dict(warm))), routes, context)


def probing(plan: Plan, may_ask: Callable[[str], bool]) -> Iterable[tuple[str, "Plan"]]:
    """Routes that may be tried anew, each with the plan that would begin with it, were this request to do so.

    `may_ask`: whether a route's turn may be asked for at all. Of a plan that has routes.
    """
    inputs, first = plan.record.inputs, plan.routes[0].key
    for key in filter(may_ask, to_be_tried(inputs)):
        probe = replace(plan, record=DecisionRecord.of(with_probe(inputs, key)))
        if probe.routes[0].key == key != first:
            yield key, probe


def _plan(record: DecisionRecord, routes: Sequence[Route], context: PlanContext) -> Plan:
    ordered = tuple(routes[place] for place in record.decision.order)
    request = context.request
    refusal = None if ordered else refusal_of(routes, record.document["candidates"], context)
    if len(routes) != 1 or not ordered:
        refusal = request.dialect.kept_by_a_provider(request.body) or refusal
    return Plan(tuple(routes), record, context.translator, refusal, _warnings(ordered, context))


def _warnings(routes: Sequence[Route], context: PlanContext) -> tuple[dict[str, str | None], ...]:
    used, budget_status = {route.provider.name for route in routes}, context.budget_status
    warning = [b for name in sorted(used) for b in budget_status.of(name, "warn")]
    return tuple(budget_status.document(budget) for budget in warning if budget_status.is_reached(budget))
