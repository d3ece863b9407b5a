"""Finds tool calls that a model wrote into its text instead of making them: see `repair_tool_calls`.

A call is recognised by the name of a tool that the request declared, in one of these forms. All other text and
all other code fences stay as they are:

    {"name": "read", "arguments": {"path": "a"}}        also "parameters" or "input", and a list of such objects
    the same in a code fence of its own
    <tool_call>{"name": …}</tool_call>                   and <function=read>{"path": "a"}</function>
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from route.dialects.neutral import AnswerEvent, BlockKind, Closed, Delta, Finished, Opened, Stop

_OPENING = re.compile(r"<tool_call>|<function=(?P<function>[^>\s]{1,128})>|```[a-zA-Z_]{0,32}[ \t]{0,32}\r?\n")
_CLOSING = {"<tool_call>": "</tool_call>", "<function": "</function>", "```": "```"}
_BARE = re.compile(r"(?:\[\s*)?\{\s*\"")
_MAX_TRIES = 50
_DECODER = json.JSONDecoder()
_ARGUMENTS = ("arguments", "parameters", "input")
_FIRST_NEW_BLOCK = 1_000_000
_CALLS = list[tuple[str, str]]


class RepairToolCalls:
    """Holds each text block until its end, when calls can be told from text. `names`: of the tools."""

    def __init__(self, names: Iterable[str]) -> None:
        self.repaired: set[str] = set()
        self._names = frozenset(names)
        self._texts: dict[tuple[int, int], list[str]] = {}
        self._opened: dict[tuple[int, int], Opened] = {}
        self._calling: set[int] = set()
        self._next = _FIRST_NEW_BLOCK

    def feed(self, event: AnswerEvent) -> Iterable[AnswerEvent]:
        if not self._names:
            return [event]
        if isinstance(event, Finished):
            is_hidden = event.choice in self._calling and event.stop == Stop.END
            return [replace(event, stop=Stop.TOOL_CALLS) if is_hidden else event]
        if isinstance(event, Opened) and event.kind is BlockKind.TEXT:
            self._opened[event.choice, event.block] = event
            self._texts[event.choice, event.block] = []
            return []
        if not isinstance(event, Delta | Closed) or (event.choice, event.block) not in self._texts:
            return [event]
        if isinstance(event, Delta):
            self._texts[event.choice, event.block].append(event.text)
            return []
        return self._settle(event)

    def _settle(self, closed: Closed) -> list[AnswerEvent]:
        place = (closed.choice, closed.block)
        text = "".join(self._texts.pop(place))
        opened = self._opened.pop(place)
        left, calls = calls_in(text, self._names)
        if not calls:
            return [opened, Delta(*place, text), closed] if text else [opened, closed]
        self._calling.add(closed.choice)
        self.repaired.add("tool_calls")
        said: list[AnswerEvent] = [opened, Delta(*place, left), closed] if left.strip() else []
        return [*said, *(event for call in calls for event in self._call(closed.choice, *call))]

    def _call(self, choice: int, name: str, arguments: str) -> list[AnswerEvent]:
        block, self._next = self._next, self._next + 1
        digest = hashlib.sha256(
            f"{choice}\x1f{block}\x1f{name}\x1f{arguments}".encode(errors="replace")
        ).hexdigest()
        opened = Opened(choice, block, BlockKind.TOOL_CALL, id=f"call_{digest[:24]}", name=name)
        return [opened, Delta(choice, block, arguments), Closed(choice, block)]


def calls_in(text: str, names: frozenset[str]) -> tuple[str, _CALLS]:
    """The text without its calls, and the calls in their order, each as (name, arguments as JSON text)."""
    calls: _CALLS = []
    left, end = [], 0
    for form in _forms(text):
        left.append(_without_bare(text[end : form.start], names, calls))
        written = _parsed(form.inside)
        found = _calls_of({"name": form.function, "arguments": written} if form.function else written, names)
        calls += found
        left.append("" if found else text[form.start : form.end])
        end = form.end
    left.append(_without_bare(text[end:], names, calls))
    return ("".join(left).strip() if calls else text), calls


class _Form(NamedTuple):
    """A stretch of text between an opening and its closing. `function`: the name that stands in the opening."""

    start: int
    end: int
    inside: str
    function: str


def _forms(text: str) -> Iterator[_Form]:
    """All stretches, one after another. A closing that is missing is searched once, so the time grows linearly."""
    at = 0
    missing: set[str] = set()
    while opening := _OPENING.search(text, at):
        closing = next(end for start, end in _CLOSING.items() if opening[0].startswith(start))
        end = -1 if closing in missing else text.find(closing, opening.end())
        if end < 0:
            missing.add(closing)
            at = opening.end()
            continue
        at = end + len(closing)
        yield _Form(opening.start(), at, text[opening.end() : end], opening["function"] or "")


def _without_bare(text: str, names: frozenset[str], calls: _CALLS) -> str:
    """Prose without the calls that it holds as plain JSON; these are added to `calls`."""
    left, at = [], 0
    for start in islice(_BARE.finditer(text), _MAX_TRIES):
        if start.start() < at or text[start.start() - 1 : start.start()] == "`":
            continue  # JSON that prose quotes is not a call
        try:
            document, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if found := _calls_of(document, names):
            calls += found
            left.append(text[at : start.start()])
            at = end
    return "".join([*left, text[at:]])


def _parsed(text: str) -> Any:
    """The JSON value that a text holds, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _calls_of(document: Any, names: frozenset[str]) -> _CALLS:
    """The calls that a JSON value holds: none, if any item of a list is not a call."""
    items: Sequence[Any] = document if isinstance(document, list) else [document]
    calls = [_call_of(item, names) for item in items]
    known = [call for call in calls if call is not None]
    return known if len(known) == len(calls) else []


def _call_of(item: Any, names: frozenset[str]) -> tuple[str, str] | None:
    if not isinstance(item, Mapping):
        return None
    inner = item["function"] if isinstance(item.get("function"), Mapping) else item
    name = inner.get("name")
    arguments = next((inner[key] for key in _ARGUMENTS if key in inner), None)
    if isinstance(arguments, str):
        arguments = _parsed(arguments)
    if not isinstance(name, str) or name not in names or not isinstance(arguments, Mapping):
        return None
    if arguments.get("type") == "object" and "properties" in arguments:
        return None  # the model has quoted the tool's declaration, whose schema is not arguments
    return name, json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
