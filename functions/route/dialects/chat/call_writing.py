"""Writes tool calls in chat completions, in the form in which the caller declared its tools."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from route.dialects.base import Document, dump, mapping, maps, text
from route.dialects.names import wire_name
from route.dialects.neutral import FREE_INPUT, Opened

NO_ARGUMENTS = "{}"


@dataclass(frozen=True, slots=True)
class CallFormat:
    """How a caller wants its tool calls, as its own body tells.

    `custom`: names of tools that take free text. `names`: the caller's names of tools by their names on the wire.
    `is_legacy`: the caller declared `functions`, the form before tools.
    """

    custom: frozenset[str]
    names: Mapping[str, str]
    is_legacy: bool

    @classmethod
    def of(cls, body: Document) -> "CallFormat":
        tools = maps(body.get("tools"))
        custom = [_name(tool, "custom") for tool in tools if tool.get("type") == "custom"]
        names = [*custom, *(_name(tool, "function") for tool in tools)]
        is_legacy = bool(maps(body.get("functions"))) and not tools
        return cls(frozenset(custom), {wire_name("", name): name for name in names if name}, is_legacy)

    def call(self, opened: Opened, index: int) -> "CallWriting":
        wire = wire_name(opened.namespace, opened.name)
        name = self.names.get(wire, wire if opened.namespace else opened.name)
        is_custom = name in self.custom
        write = LegacyCall if self.is_legacy else CallWriting
        return write(opened.id, name, index, is_custom=is_custom, is_free=opened.free)


def _name(tool: Mapping[str, object], kind: str) -> str:
    return text(mapping(tool.get(kind)).get("name"))


class CallWriting:
    """Writes one call as deltas. Where JSON must become free text, or free text JSON, they wait for its end."""

    def __init__(self, call_id: str, name: str, index: int, *, is_custom: bool, is_free: bool) -> None:
        self.id, self.name, self.index = call_id, name, index
        self._field, self._argument = ("custom", "input") if is_custom else ("function", "arguments")
        self._is_custom, self._is_free = is_custom, is_free
        self._held: list[str] = []
        self._is_empty = True

    def opened(self) -> Document:
        inner = {"name": self.name, self._argument: ""}
        return self._delta({"id": self.id, "type": self._field, self._field: inner})

    def said(self, more: str) -> Iterator[Document]:
        self._is_empty = self._is_empty and not more.strip()
        if self._is_custom != self._is_free:
            self._held.append(more)
        elif more:
            yield self._more(more)

    def closed(self) -> Iterator[Document]:
        held = "".join(self._held)
        if self._is_custom != self._is_free:
            yield self._more(_text_of(held) if self._is_custom else dump({FREE_INPUT: held}).decode())
        elif self._is_empty and not self._is_custom:
            # Also a call without arguments must hold JSON.
            yield self._more(NO_ARGUMENTS)

    def _more(self, more: str) -> Document:
        return self._delta({self._field: {self._argument: more}})

    def _delta(self, call: Document) -> Document:
        return {"tool_calls": [{"index": self.index, **call}]}


class LegacyCall(CallWriting):
    """A call in the form before tools, `function_call`: an answer has one at most, and it has no id."""

    def opened(self) -> Document:
        return {"function_call": {"name": self.name, "arguments": ""}}

    def _more(self, more: str) -> Document:
        return {"function_call": {"arguments": more}}


def _text_of(arguments: str) -> str:
    """The free text that stands in a call's JSON; the arguments as they are where they hold none."""
    try:
        said = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    found = mapping(said).get(FREE_INPUT)
    return found if isinstance(found, str) else arguments
