"""Responses that were stored: to be read, deleted, cancelled, and built upon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.records import Record
from tests.fakes.steps import Fail, Json
from tests.fakes.texts import digest, dumps


def input_items(given: Any) -> list[Json]:
    """The input as a list of items; a plain string is a message of the user."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}] if given else []
    return [dict(item) for item in given or [] if isinstance(item, Mapping)]


class ResponseStore:
    """The answers that one stand-in keeps, by id."""

    def __init__(self) -> None:
        self._responses: dict[str, Json] = {}
        self._inputs: dict[str, list[Json]] = {}
        self._items: dict[str, Json] = {}

    @property
    def item_ids(self) -> set[str]:
        """The ids of output items that a request may refer to."""
        return set(self._items)

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self._responses, self._inputs, self._items):
            kept.clear()

    def keep(self, response: Json, inputs: list[Json]) -> None:
        """Store an answer together with all the input that it was given."""
        self._responses[response["id"]] = response
        self._inputs[response["id"]] = inputs
        self._items.update({item["id"]: item for item in response["output"]})

    def get(self, response_id: object) -> Json | None:
        """The answer of that id, or None."""
        return self._responses.get(str(response_id))

    def conversation(self, response_id: object) -> list[Json]:
        """All that was said up to and in an answer."""
        response = self.get(response_id)
        return [*self._inputs[response["id"]], *response["output"]] if response else []

    def item(self, item: Json) -> Json:
        """The item that a reference stands for; anything else, and what is unknown, as it is."""
        reference = item.get("type") == "item_reference" or set(item) == {"id"}
        return self._items.get(str(item.get("id")), item) if reference else item

    def named(self, item: Json) -> Json:
        """An input item as the API lists it: with an id, a status and its content in parts."""
        listed = {"type": "message", **item}
        prefix = {"function_call_output": "fco", "message": "msg"}.get(listed["type"], "item")
        name = f"{prefix}_{digest(dumps(item).decode())}"
        content = item.get("content")
        if isinstance(content, str):
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            more: Json = {"annotations": []} if kind == "output_text" else {}
            listed["content"] = [{"type": kind, "text": content, **more}]
        return {"id": name, "status": "completed", **listed}

    def answer(self, record: Record, root: str) -> Json | Fail | None:
        """``GET`` and ``DELETE /{id}``, ``POST /{id}/cancel``, ``GET /{id}/input_items``."""
        head, _, rest = record.path.removeprefix(root).removeprefix("/").partition("/")
        if not record.path.startswith(f"{root}/") or not head:
            return None
        call = (record.method, rest)
        if call not in (("GET", ""), ("DELETE", ""), ("POST", "cancel"), ("GET", "input_items")):
            return None
        response = self.get(head)
        if response is None:
            return Fail(404, f"Response with id '{head}' not found.", param="id", code="not_found")
        match call:
            case ("GET", "input_items"):
                return self._page(head, newest_first=record.params.get("order") != "asc")
            case ("DELETE", _):
                self._responses.pop(head)
                response = {"id": head, "object": "response", "deleted": True}
            case ("POST", _) if not response.get("background"):
                return Fail(400, "Cannot cancel a synchronous response.")
            case ("POST", _):
                response = self._responses[head] = {**response, "status": "cancelled", "completed_at": None}
        return response

    def _page(self, response_id: str, *, newest_first: bool) -> Json:
        items = [self.named(item) for item in self._inputs[response_id]]
        items = items[::-1] if newest_first else items
        ends = {"first_id": items[0]["id"] if items else "", "last_id": items[-1]["id"] if items else ""}
        return {"object": "list", "data": items, **ends, "has_more": False}
