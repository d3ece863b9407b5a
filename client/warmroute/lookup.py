"""From whatever an SDK hands out (model, stream, raw response, exception) to the receipt of its call.

What the router said is noted on the HTTP response, which every such object leads to, and on its request,
which is all that some exceptions keep. Both have an `extensions` dict for such things. Objects are known by
shape, not by class, so that nothing here needs a vendor's SDK.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warmroute import wire
from warmroute.receipts import Receipt, read_receipt

_NOTE = "warmroute"
_HEADERS = (wire.INFERENCE_ID_HEADER, wire.ROUTE_HEADER, wire.ATTEMPTS_HEADER, wire.OVERHEAD_HEADER)
# Where the SDKs' raw responses, streams, stream helpers and exceptions keep the HTTP response.
_LEADS = ("http_response", "response", "_raw_stream")
_DEEPEST_LEAD = 5  # manager, helper, stream, raw response, HTTP response


@dataclass(slots=True)
class Note:
    """What one HTTP response said: the router's headers, and the body's receipt once it was seen."""

    headers: dict[str, str]
    body: Mapping[str, Any] | None = None

    def receipt(self) -> Receipt:
        return read_receipt(self.body, self.headers)


def receipt(answer: object) -> Receipt | None:
    """The receipt that came with an answer, or None if no router was involved.

    `answer` may be an object returned by `create` or `parse`, a raw or streaming response, a stream or
    stream helper, a helper's final message, an exception, or a body as a dict. A stream gives its whole
    receipt once it was read to the end; until then, and for errors, the receipt is `partial`.
    """
    attached = _peek(answer, "_receipt")
    if isinstance(attached, Note):
        return attached.receipt()
    response = find_response(answer)
    if response is not None:
        note = note_of(response) or _note_from_body(response)
        if note is not None and note.body is None:
            note.body = _read_body(response)
        return note.receipt() if note else None
    body = receipt_in(answer) or receipt_in(_peek(answer, "model_extra"))
    if body is not None:
        return read_receipt(body, {})
    kept = _extensions(_peek(answer, "request")).get(_NOTE)
    return kept.receipt() if isinstance(kept, Note) else None


def attach(answer: object, response: object) -> None:
    """Keep the note on a pydantic model, out of its fields, so that dumps stay as the vendor's are."""
    note = note_of(response)
    if note is not None and _is_model(answer):
        object.__setattr__(answer, "_receipt", note)


def note_of(response: object) -> Note | None:
    """The note of a router's response, made from its headers at first sight; None if no router wrote it."""
    extensions = _extensions(response)
    note = extensions.get(_NOTE)
    if isinstance(note, Note):
        return note
    headers = _router_headers(_peek(response, "headers"))
    return _write_note(response, headers) if headers else None


def note_body(data: object, response: object) -> None:
    """Note the receipt in a body or in the data of one event, if it has one."""
    body = receipt_in(data)
    if body is not None:
        note = note_of(response) or _write_note(response, {})
        note.body = body


def receipt_in(data: object) -> Mapping[str, Any] | None:
    """The `x_router` object of a body, or of an event or of the response inside the event; else None."""
    if not isinstance(data, Mapping):
        return None
    found = data.get(wire.RECEIPT_FIELD)
    if isinstance(found, Mapping):
        return found
    inner = data.get("response")
    return receipt_in(inner) if isinstance(inner, Mapping) else None


def find_response(answer: object) -> Any | None:
    """The HTTP response behind an SDK's object (or the object itself, if it is one)."""
    for _ in range(_DEEPEST_LEAD):
        if answer is None or _is_model(answer):
            return None
        if isinstance(_peek(answer, "extensions"), dict) and hasattr(answer, "status_code"):
            return answer
        answer = _next_lead(answer)
    return None


def _next_lead(answer: object) -> object:
    for name in _LEADS:
        lead = _peek(answer, name)
        if lead is not None:
            return lead
    # A stream manager keeps the helper that it opened under a private name.
    attributes = getattr(answer, "__dict__", {})
    return next((value for name, value in attributes.items() if name.endswith("__stream")), None)


def _is_model(answer: object) -> bool:
    return hasattr(type(answer), "model_fields")


def _write_note(response: object, headers: dict[str, str]) -> Note:
    note = Note(headers)
    _extensions(response)[_NOTE] = note
    _extensions(_peek(response, "request"))[_NOTE] = note
    return note


def _router_headers(headers: Any) -> dict[str, str]:
    if headers is None:
        return {}
    found = {name: headers.get(name) for name in _HEADERS}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _note_from_body(response: object) -> Note | None:
    body = _read_body(response)
    return Note({}, body) if body is not None else None


def _read_body(response: Any) -> Mapping[str, Any] | None:
    """The receipt in a JSON body that has been read but not parsed, as a raw response's or an error's."""
    if "json" not in (response.headers.get("content-type") or ""):
        return None
    try:
        return receipt_in(json.loads(_peek(response, "content") or b"null"))
    except ValueError:
        return None


def _extensions(holder: object) -> dict[str, Any]:
    found = _peek(holder, "extensions")
    return found if isinstance(found, dict) else {}


def _peek(holder: object, name: str) -> Any:
    # httpx raises RuntimeError for a request that was never set and for content that was not read.
    try:
        return getattr(holder, name, None)
    except RuntimeError:
        return None
