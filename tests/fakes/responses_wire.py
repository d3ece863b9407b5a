"""OpenAI's responses, byte for byte: ``POST /v1/responses``, what is stored of them, and token counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.fields import responses_field_unknown
from tests.fakes.openai_vendor import OpenAIVendor, server_error, token_logprobs
from tests.fakes.prompt_cache import Block, Tokens, count
from tests.fakes.records import Record
from tests.fakes.responses_events import item_events
from tests.fakes.responses_store import ResponseStore, input_items
from tests.fakes.rules_responses import responses_rules
from tests.fakes.seals import seal
from tests.fakes.steps import Fail, Json, StreamError
from tests.fakes.texts import block_of, parts_of, sse, text_of
from tests.fakes.wire import CREATED, Call, Event, Reply, Tool

PATH = "/v1/responses"
_STOPS = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "refusal"), "completed"),
    **dict.fromkeys(("length", "max_tokens"), "max_output_tokens"),
}
_ECHOED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class ResponsesWire(OpenAIVendor):
    """See ``Wire``. ``stop`` is ``completed`` or the reason for which an answer is incomplete."""

    dialect = "responses"
    inference_path = PATH
    counting_path: str | None = f"{PATH}/input_tokens"
    counting_defaults: Json = {"model": "counted", "input": ""}  # noqa: RUF012 - read only

    def __init__(self, signer: str | None = None) -> None:
        super().__init__(signer)
        self.store = ResponseStore()

    def fault_of(self, headers: Mapping[str, str], body: Json) -> Fail | None:
        """What is refused: no model, or an input that is neither text nor a list."""
        if not isinstance(body.get("model"), str):
            return Fail(400, "Missing required parameter: 'model'.", code="missing_required_parameter")
        if not isinstance(body.get("input", ""), str | list):
            return Fail(400, "Invalid type for 'input': expected a string or an array.", param="input")
        return None

    def rule_broken(self, body: Json) -> Fail | None:
        """There must be something to answer, what it builds on must be stored, ``rules_responses`` must hold."""
        if not any(name in body for name in ("input", "prompt", "previous_response_id", "conversation")):
            return Fail(400, "Missing required parameter: 'input'.", code="missing_required_parameter")
        previous = body.get("previous_response_id")
        if previous is not None and self.store.get(previous) is None:
            message = f"Previous response with id '{previous}' not found."
            code = "previous_response_not_found"
            return Fail(400, message, param="previous_response_id", code=code)
        return next(responses_rules(self.resolved(body), self.signer, self.store.item_ids), None)

    def field_unknown(self, body: Json) -> Fail | None:
        """The first field that is not in the SDK, by ``fields``."""
        return responses_field_unknown(body)

    def resolved(self, body: Json) -> Json:
        """The request with the earlier turns in front of its input, and items in place of references to them."""
        previous = body.get("previous_response_id")
        given = body.get("input")
        if previous is None and not isinstance(given, list):
            return body
        if isinstance(given, list) and not all(isinstance(item, Mapping) for item in given):
            return body  # The rule about items says what is wrong with it.
        items = [self.store.item(item) for item in input_items(given)]
        return {**body, "input": [*self.store.conversation(previous), *items]}

    def forget(self) -> None:
        """Drop all stored answers."""
        self.store.clear()

    def blocks(self, body: Json) -> list[Block]:
        """Tools, then instructions, then items."""
        parts: list[tuple[str, Any]] = [("tool", tool) for tool in body.get("tools") or []]
        parts += [("system", body["instructions"])] if body.get("instructions") else []
        for item in input_items(body.get("input")):
            content = item.get("content")
            if "role" in item and isinstance(content, str | list):
                parts += [(item["role"], part) for part in parts_of(content)]
            else:
                parts.append(("item", {k: v for k, v in item.items() if k not in ("id", "status")}))
        return [Block(block_of(role, _plain(part)).text) for role, part in parts]

    def wanted_schema(self, body: Json) -> Json | None:
        """The schema in ``text.format``."""
        wanted = (body.get("text") or {}).get("format") or {}
        if wanted.get("type") == "json_schema":
            return dict(wanted.get("schema") or {})
        return {} if wanted.get("type") == "json_object" else None

    def turns(self, body: Json) -> list[Json]:
        """The messages among the items."""
        return [item for item in input_items(body.get("input")) if "role" in item]

    def tools(self, body: Json) -> list[Tool]:
        """Functions and custom tools, also those in namespaces."""
        return [found for tool in body.get("tools") or [] for found in _tools(tool, None)]

    def forced_tool(self, body: Json) -> Tool | None:
        """``tool_choice`` as ``"required"``, as a named tool, or as a required choice among some."""
        choice = body.get("tool_choice")
        names: set[Any] | None = None
        if isinstance(choice, Mapping):
            allowed = choice.get("tools") or [] if choice.get("mode") == "required" else []
            one = choice.get("type") in ("function", "custom")
            names = {choice.get("name")} if one else {tool.get("name") for tool in allowed}
        elif choice != "required":
            return None
        return next((tool for tool in self.tools(body) if names is None or tool.name in names), None)

    def results(self, body: Json) -> list[str]:
        """The texts of the items whose type ends in ``_output``."""
        items = input_items(body.get("input"))
        return [text_of(item.get("output")) for item in items if str(item.get("type")).endswith("_output")]

    def usage(self, tokens: Tokens) -> Json:
        """Counts in which ``input_tokens`` includes the cached ones."""
        return {
            "input_tokens": tokens.prompt,
            "input_tokens_details": {
                "cached_tokens": tokens.cached,
                "cache_write_tokens": tokens.written,
            },
            "output_tokens": tokens.completion,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.prompt + tokens.completion,
        }

    def stop(self, word: str) -> str:
        """``completed`` or a reason for being incomplete; a word not known here stays, as such a reason."""
        return _STOPS.get(word, word)

    def unary(self, body: Json, reply: Reply) -> Json:
        """``{"id", "object": "response", "status", "output": […], "usage": {…}, …}``, kept unless told not to."""
        whole = self._whole(body, reply)
        if body.get("background"):
            return {**whole, "status": "queued", "output": [], "usage": None, "completed_at": None}
        return whole

    def events(self, body: Json, reply: Reply) -> list[Event]:
        """``created``, ``in_progress``, the items in turn, then ``completed`` or ``incomplete``."""
        whole = self._whole(body, reply)
        empty: Json = {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
        begun = {**whole, **empty, "incomplete_details": None}
        plain: list[tuple[Json, bool]] = [
            ({"type": "response.created", "response": begun}, False),
            ({"type": "response.in_progress", "response": begun}, False),
        ]
        for index, item in enumerate(whole["output"]):
            plain += item_events(item, index, reply, _alternatives(body))
        plain.append(({"type": f"response.{whole['status']}", "response": whole}, False))
        return [Event(_event(data, number), content) for number, (data, content) in enumerate(plain)]

    def error_event(self, step: StreamError, request_id: str, sent: Sequence[Event]) -> bytes:
        """``event: error`` with flat fields, or ``response.failed`` with the answer as far as it got."""
        error = server_error(step)
        if step.how == "failed" and sent:
            begun = _document(sent[0])["response"]
            return _event({"type": "response.failed", "response": {**begun, **_failure(step)}}, len(sent))
        flat = {"code": error["code"] or error["type"], "message": error["message"], "param": error["param"]}
        return _event({"type": "error", **flat}, len(sent))

    def failed(self, step: StreamError, whole: Json) -> Json | None:
        """A 200 whose ``status`` is ``failed``, when the step asks for that."""
        return {**whole, **_failure(step)} if step.how == "failed" else None

    def counted(self, tokens: int) -> Json:
        """``{"object": "response.input_tokens", "input_tokens"}``"""
        return {"object": "response.input_tokens", "input_tokens": tokens}

    def beside(self, record: Record) -> Json | Fail | None:
        """What was stored, and ``compact``."""
        if (record.method, record.path) == ("POST", f"{PATH}/compact"):
            return self._compacted(record)
        return self.store.answer(record, PATH)

    def _compacted(self, record: Record) -> Json | Fail:
        """A conversation as one sealed item that stands for all of it."""
        body = record.body if isinstance(record.body, dict) else {}
        if fault := self.fault_of(record.headers, body) or self.rule_broken(body):
            return fault
        blocks = self.blocks(self.resolved(body))
        text = "".join(block.text for block in blocks)
        sealed = {"id": "cmp_standin", "type": "compaction", "encrypted_content": seal(self.signer, text[-200:])}
        usage = self.usage(Tokens(prompt=count(text), completion=count(text[-200:])))
        head = {"id": "resp_compacted", "object": "response.compaction", "created_at": CREATED}
        return {**head, "output": [sealed], "usage": usage}

    def _whole(self, body: Json, reply: Reply) -> Json:
        complete = reply.stop == "completed"
        given = {name: body[name] for name in _ECHOED if body.get(name) is not None}
        whole: Json = {
            "id": f"resp_{reply.seed}",
            "object": "response",
            "created_at": CREATED,
            "completed_at": CREATED + 1 if complete else None,
            "status": "completed" if complete else "incomplete",
            "error": None,
            "incomplete_details": None if complete else {"reason": reply.stop},
            "model": reply.model,
            **_ECHOED,
            **given,
            "output": self._output(body, reply, "completed" if complete else "incomplete"),
            "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
            "service_tier": "default",
            "text": {"format": {"type": "text"}, "verbosity": "medium", **(body.get("text") or {})},
            "tools": [_echoed_tool(tool) for tool in body.get("tools") or []],
            "usage": reply.usage,
        }
        if reply.answer.served_by:
            whole["provider"] = reply.answer.served_by
        if body.get("store") is not False:
            self.store.keep(whole, input_items(body.get("input")))
        return whole

    def _output(self, body: Json, reply: Reply, status: str) -> list[Json]:
        """Reasoning, then the message, then calls. The last of them is as incomplete as the answer."""
        items: list[Json] = []
        if (thinking := reply.answer.thinking) is not None:
            summary = [{"type": "summary_text", "text": thinking}] if thinking else []
            item: Json = {"id": f"rs_{reply.seed}", "type": "reasoning", "summary": summary}
            if "reasoning.encrypted_content" in (body.get("include") or []):
                item["encrypted_content"] = seal(self.signer, thinking)
            items.append(item)
        if content := _content(body, reply):
            head = {"id": f"msg_{reply.seed}", "type": "message", "role": "assistant", "status": "completed"}
            items.append({**head, "content": content})
        items += [_call_item(call, n, reply.seed) for n, call in enumerate(reply.calls)]
        if items and "status" in items[-1]:
            items[-1]["status"] = status
        return items


def _content(body: Json, reply: Reply) -> list[Json]:
    content: list[Json] = []
    if reply.text is not None:
        part = {"type": "output_text", "text": reply.text, "annotations": list(reply.answer.citations)}
        alternatives = _alternatives(body)
        logprobs = [] if alternatives is None else token_logprobs(reply.pieces, alternatives)
        content.append({**part, "logprobs": logprobs})
    if reply.answer.refusal is not None:
        content.append({"type": "refusal", "refusal": reply.answer.refusal})
    return content


def _call_item(call: Call, n: int, seed: str) -> Json:
    custom = call.kind == "custom"
    item: Json = {
        "id": f"{'ctc' if custom else 'fc'}_{seed}{n}",
        "type": "custom_tool_call" if custom else "function_call",
        "call_id": call.id,
        "name": call.name,
        "input" if custom else "arguments": call.arguments,
        "status": "completed",
    }
    return {**item, "namespace": call.namespace} if call.namespace else item


def _tools(tool: Json, namespace: str | None) -> list[Tool]:
    if tool.get("type") == "namespace":
        return [found for inner in tool.get("tools") or [] for found in _tools(inner, tool["name"])]
    if tool.get("type") == "custom":
        return [Tool(tool["name"], kind="custom", namespace=namespace)]
    if tool.get("type") == "function":
        return [Tool(tool["name"], tool.get("parameters") or {}, namespace=namespace)]
    return []


def _echoed_tool(tool: Json) -> Json:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": {}, "strict": True, **tool}


def _plain(part: Any) -> Any:
    """A text part as the text itself, so that a string and a list of one part are the same prompt."""
    text = isinstance(part, Mapping) and part.get("type") in ("input_text", "output_text")
    return part["text"] if text else part


def _alternatives(body: Json) -> int | None:
    """How many alternatives each token's log probability has; None: not asked for."""
    asked = "message.output_text.logprobs" in (body.get("include") or [])
    return int(body.get("top_logprobs") or 0) if asked else None


def _failure(step: StreamError) -> Json:
    error = server_error(step)
    failure = {"code": error["code"] or error["type"], "message": error["message"]}
    return {"status": "failed", "error": failure, "output": [], "usage": None, "completed_at": None}


def _document(event: Event) -> Json:
    document: Json = json.loads(event.data.split(b"data: ", 1)[1])
    return document


def _event(data: Json, number: int) -> bytes:
    """An event with its place in the stream."""
    return sse({"type": data["type"], "sequence_number": number, **data}, str(data["type"]))
