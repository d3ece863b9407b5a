"""Mends the tool calls of a chat completion: each gets index, id, type and name once, and arguments as JSON text.

Clients put a streamed call together by its index alone and join all its texts. Two calls at one index, or a name
that comes twice, would become a call that the model never made.
"""

from dataclasses import dataclass, field

from route.dialects.base import MAX_ANSWER_BYTES, BadAnswer, Document, text
from route.dialects.mending import Repairs, bounded, derived_id, is_whole_object, json_text, whole_number

_NO_ARGUMENTS = "{}"


@dataclass(slots=True)
class _MendedCall:
    """A call that has begun. `number`: the caller's index. `said_id`: the provider's id, maybe not unique."""

    number: int
    said_id: str
    name: str = ""
    is_custom: bool = False
    pieces: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _CallPiece:
    """What a delta holds of a call. `at`: its index, or where that is missing its place in the list."""

    at: int
    has_index: bool
    id: str
    name: str
    arguments: str

    def begins_another(self, call: _MendedCall) -> bool:
        """Whether this piece with a name begins another call, and neither repeats nor continues the name."""
        if self.name == call.name:
            return self.arguments.lstrip().startswith("{") and is_whole_object(call.pieces)
        return bool(call.name) and bool(self.arguments or any(call.pieces))


class CallsMending:
    """Mends the calls in one choice of a stream."""

    def __init__(self, choice: int, repairs: Repairs) -> None:
        self._choice = choice
        self._repairs = repairs
        self._calls: list[_MendedCall] = []
        self._at: dict[int, _MendedCall] = {}
        self._by_id: dict[str, _MendedCall] = {}
        self._size = 0

    @property
    def count(self) -> int:
        return len(self._calls)

    def mended(self, pieces: object, *seeds: str | bytes) -> list[Document]:
        """The mended pieces of one delta. `seeds`: what a missing id is derived from."""
        sound = _pieces(pieces, self._repairs)
        for place, document in enumerate(sound):
            function = _function(document)
            mend_arguments(function, self._repairs)
            piece = _read(document, function, place)
            call = self._owner(piece)
            if call is None:
                self._begin(piece, document, seeds)
            else:
                self._go_on(call, piece, document, function)
        return sound

    def _owner(self, piece: _CallPiece) -> _MendedCall | None:
        """The call that a piece continues; None where it begins a new one."""
        here = self._at.get(piece.at)
        known = here if here and here.said_id == piece.id else self._by_id.get(piece.id)
        if piece.id and known:
            is_elsewhere = piece.has_index and here is None
            return None if piece.name and (is_elsewhere or piece.begins_another(known)) else known
        if here is None:
            return None if piece.name or piece.id or not self._calls else self._calls[-1]
        if piece.id:
            # A new id alone does not begin a call: some servers make up an id for each piece.
            return None if piece.name and here.name else here
        return None if piece.name and piece.begins_another(here) else here

    def _begin(self, piece: _CallPiece, document: Document, seeds: tuple[str | bytes, ...]) -> None:
        call = _MendedCall(len(self._calls), piece.id, piece.name, _is_custom(document))
        self._calls.append(call)
        bounded(len(self._calls))
        self._at[piece.at] = call
        call_id = piece.id
        if not call_id or call_id in self._by_id:
            call_id = derived_id("call_", *seeds, self._choice, call.number)
        self._by_id[call_id] = call
        _identify(document, call_id, self._repairs)
        self._place(call, piece, document)

    def _go_on(self, call: _MendedCall, piece: _CallPiece, document: Document, function: Document) -> None:
        self._at[piece.at] = call
        for name in ("id", "type"):
            if document.get(name):
                del document[name]
                self._repairs.note("tool_repeat")
        if piece.name and piece.name == call.name:
            del function["name"]
            self._repairs.note("tool_repeat")
        else:
            call.name += piece.name
        self._place(call, piece, document)

    def _place(self, call: _MendedCall, piece: _CallPiece, document: Document) -> None:
        index = document.get("index")
        if type(index) is not int or index != call.number:
            document["index"] = call.number
            self._repairs.note("tool_index")
        if piece.arguments:
            call.pieces.append(piece.arguments)
            self._size += len(piece.arguments)
            if self._size > MAX_ANSWER_BYTES:
                raise BadAnswer("the answer is too large")

    def finish(self, delta: Document, *, is_cut: bool) -> None:
        """At the end of the choice: checks that each call has a name, and gives empty arguments as JSON.

        `is_cut`: the answer was cut short, so that missing arguments do not mean that there are none.
        """
        if not all(call.name for call in self._calls):
            raise BadAnswer("a tool call has no name")
        for call in self._calls:
            if not is_cut and not call.is_custom and not any(piece.strip() for piece in call.pieces):
                call.pieces.append(_NO_ARGUMENTS)
                self._add(call.number, delta)

    def _add(self, number: int, delta: Document) -> None:
        pieces = delta.get("tool_calls") or []
        last: Document = next((piece for piece in pieces if piece["index"] == number), {"index": number})
        delta["tool_calls"] = [*(piece for piece in pieces if piece is not last), last]
        last["function"] = {**(last.get("function") or {}), "arguments": _NO_ARGUMENTS}
        self._repairs.note("tool_arguments")


def mend_whole_calls(calls: object, seed: str, repairs: Repairs, *, is_cut: bool) -> list[Document]:
    """The mended calls of a whole message. `is_cut`: see `CallsMending.finish`."""
    sound = _pieces(calls, repairs)
    bounded(len(sound))
    ids: set[str] = set()
    for number, document in enumerate(sound):
        function = _function(document)
        mend_arguments(function, repairs)
        if not _is_custom(document) and not text(function.get("arguments")).strip():
            _say_nothing(function, is_cut, repairs)
        call = _read(document, function, number)
        if not call.name:
            raise BadAnswer("a tool call has no name")
        call_id = call.id
        if not call_id or call_id in ids:
            call_id = derived_id("call_", seed, number, call.name, call.arguments)
        ids.add(call_id)
        _identify(document, call_id, repairs)
    return sound


def _say_nothing(function: Document, is_cut: bool, repairs: Repairs) -> None:
    arguments = "" if is_cut else _NO_ARGUMENTS
    if function.get("arguments") != arguments:
        function["arguments"] = arguments
        repairs.note("tool_arguments")


def _identify(document: Document, call_id: str, repairs: Repairs) -> None:
    """Gives a call its id and type. Without a type, one vendor's helper skips the call."""
    if document.get("id") != call_id:
        document["id"] = call_id
        repairs.note("tool_id")
    if not _is_custom(document) and not isinstance(document.get("type"), str):
        document["type"] = "function"
        repairs.note("tool_type")


def _is_custom(document: Document) -> bool:
    return document.get("custom") is not None


def _pieces(value: object, repairs: Repairs) -> list[Document]:
    if not isinstance(value, list):
        raise BadAnswer("the answer's tool calls are no list")
    sound = [item for item in value if item is not None]
    if not all(isinstance(item, dict) for item in sound):
        raise BadAnswer("a tool call is no object")
    if len(sound) < len(value):
        repairs.note("tool_index")
    return sound


def _function(document: Document) -> Document:
    """The function inside a call: the object itself, so that a change to it changes the call."""
    function = document.get("custom" if _is_custom(document) else "function")
    if function is None:
        return {}
    if not isinstance(function, dict):
        raise BadAnswer("a tool call's function is no object")
    return function


def _read(document: Document, function: Document, place: int) -> _CallPiece:
    index, name = whole_number(document.get("index")), function.get("name")
    if name is not None and not isinstance(name, str):
        raise BadAnswer("a tool's name is no text")
    said = document.get("id")
    call_id = str(said) if isinstance(said, int) and not isinstance(said, bool) else text(said)
    at = place if index is None else index
    return _CallPiece(at, index is not None, call_id, name or "", text(function.get("arguments")))


def mend_arguments(function: Document, repairs: Repairs) -> None:
    """Makes arguments JSON text: several clients join the pieces and parse the result."""
    value = function.get("arguments")
    if not isinstance(value, str) and "arguments" in function:
        function["arguments"] = "" if value is None else json_text(value)
        repairs.note("tool_arguments")
