"""`docs/dialects.md`: what becomes of each field, as a page."""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from tests.route.dialects import unreported_fields
from tests.route.dialects.dialect_events import event_fate, event_samples
from tests.route.dialects.dialect_table import (
    TRANSLATED,
    Told,
    answer_samples,
    collapsed,
    fate,
    names_of,
    request_samples,
    told_answer,
    told_request,
)
from tests.route.dialects.vendor_types import Json, Sample

DOCS = Path(__file__).parents[3] / "docs" / "dialects.md"
Fates = dict[str, tuple[str, ...]]


def targets(dialect: str) -> list[str]:
    return [name for name in TRANSLATED if name != dialect]


def request_fates(dialect: str) -> Fates:
    return _fates(dialect, request_samples(dialect), told_request, unreported_fields.REQUESTS[dialect])


def answer_fates(dialect: str) -> Fates:
    return _fates(dialect, answer_samples(dialect), told_answer, unreported_fields.ANSWERS[dialect])


def _fates(
    dialect: str, tried: Iterable[Sample], told: Callable[[Json, str, str], Told], silent: Mapping[str, str]
) -> Fates:
    """Each field's fate on the way to each other dialect."""
    return {
        sample.path: tuple(
            fate(sample.path, told(sample.present, dialect, to), told(sample.absent, dialect, to), silent)
            for to in targets(dialect)
        )
        for sample in tried
    }


def event_fates(dialect: str) -> Fates:
    return {
        path: (event_fate(path, present, absent, before, dialect),)
        for path, present, absent, before in event_samples(dialect)
    }


TITLES = {"chat": "chat completions", "messages": "messages", "responses": "responses"}
INTRODUCTION = """\
# What becomes of each field

Where a provider speaks the caller's dialect, a request passes as it came, and so does its answer. This page is
about the rest: what becomes of each field on its way from one dialect to another. It is found by trying every
field of the types in {openai} and {anthropic}.

- **carried**: said in the other dialect.
- **refused**: it matters, so a route of the other dialect is passed over as `lossy_translation`, with its name.
- **dropped**: left out, and listed in the receipt's `dropped` (after `answer.`, where it is of the answer).

There is no fourth case. A row stands for all that lies below it; `<kind>` says which kind of object is meant. What
a model cannot take (`capabilities`) is refused or dropped besides. What a note stands beside is carried without
being written. Nothing is known of the models of this page; one that is known to take cache marks (`cache_control:
true`, such as a gateway's Claude) gets them in chat completions too, and sealed thinking with them.
"""


def document() -> str:
    """The page."""
    packages = {name: f"{name} {version(name)}" for name in ("openai", "anthropic")}
    parts = [INTRODUCTION.format(**packages)]
    for dialect in TRANSLATED:
        title, to = TITLES[dialect], [f"to {TITLES[name]}" for name in targets(dialect)]
        requests, answers = unreported_fields.REQUESTS[dialect], unreported_fields.ANSWERS[dialect]
        parts += [f"\n## Requests of {title}\n", table(["field", *to], request_fates(dialect), requests)]
        parts += [f"\n## Answers of {title}\n", table(["field", *to], answer_fates(dialect), answers)]
        events = unreported_fields.EVENTS[dialect]
        parts += [f"\n## Events of {title}\n", table(["event", "to others"], event_fates(dialect), events)]
    return "\n".join(parts)


def table(heads: list[str], fates: Fates, notes: Mapping[str, str]) -> str:
    lines = [f"| {' | '.join([*heads, 'note'])} |", "|---" * (len(heads) + 1) + "|"]
    for path, each in collapsed(fates):
        names = names_of(path)
        note = next((why for said, why in notes.items() if said in names or path.startswith(said)), "")
        lines.append(f"| `{path}` | {' | '.join(each)} | {note if 'carried' in each else ''} |")
    return "\n".join([*lines, ""])
