"""Callers of the three dialects, each with its vendor's SDK, behind one face: what they ask, and what they hear.

Turns and options are in the caller's own dialect; what differs between dialects differs here, so that a test
can say a rule once and hold it for every pair of a caller's dialect and a provider's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from ledger.items import Fact, Inference
from ledger.store.opened import Store
from route.wire import INFERENCE_ID_HEADER
from tests.route.house import House, model
from tests.route.whole.heard import (
    Heard,
    added_chunks,
    added_events,
    added_response,
    chat_heard,
    messages_heard,
    responses_heard,
)

Json = dict[str, Any]
DIALECTS = ("chat", "messages", "responses")
PAIRS = [(own, theirs) for own in DIALECTS for theirs in DIALECTS]
CROSSING = [(own, theirs) for own, theirs in PAIRS if own != theirs]
MODES = ("whole", "events", "helper")
"""A whole answer; a stream, event by event; and the SDK's own helper around a stream."""

SPEAKS = {"chat": "a", "messages": "c", "responses": "b"}
"""Who of a house's stand-ins speaks a dialect: the profile of this name has that route alone."""

ONE_EACH: Json = {
    "models": {"a": model(dialects=["chat"]), "b": model(dialects=["responses"]), "c": model(), "d": model()},
    "profiles": {dialect: {"routes": [f"{name}/small"]} for dialect, name in SPEAKS.items()},
}
"""Config of a house where each dialect is spoken by one provider. With profiles named after the dialects."""

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKMSAwIG9iago8PD4+CmVuZG9iago="
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
PARAMETERS: Json = {
    "type": "object",
    "properties": {"path": {"type": "string"}},
    "required": ["path"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Result:
    """What came of a call. `image`: base64 of a PNG beside the text."""

    call_id: str
    text: str
    is_error: bool = False
    image: str = ""


def as_part(part: Any, kind: str) -> Any:
    """A text as a part of this kind; anything else is one already."""
    return {"type": kind, "text": part} if isinstance(part, str) else part


OF_THE_VENDOR = {"answer.service_tier", "answer.system_fingerprint", "answer.usage.service_tier"}
"""What every answer of a stand-in says of its vendor's house, and no other dialect has a word for."""


class Caller(ABC):
    """One SDK at one router. `headers`: those of the last response."""

    dialect: str
    path: str

    def __init__(self, house: House, **more: Any) -> None:
        self.house = house
        self.headers: Mapping[str, str] = {}
        # Certificates take longer to load than a test to run, and there are none here.
        http = httpx2.Client(event_hooks={"response": [self._note]}, verify=False, timeout=30)
        self.sdk: Any = self.client(http_client=http, **more)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sdk.close()

    def _note(self, response: httpx2.Response) -> None:
        self.headers = response.headers

    @property
    def written(self) -> tuple[Inference, list[Fact]]:
        """What is in the ledger of the last request."""
        inference_id = self.headers[INFERENCE_ID_HEADER]

        async def read(store: Store) -> tuple[Inference, list[Fact]]:
            inference, facts = await store.facts.get_inference(inference_id)
            assert inference is not None
            return inference, facts

        return self.house.at_table(read)

    @property
    def fact(self) -> Fact:
        """Of the last attempt of the last request."""
        return self.written[1][-1]

    @property
    def dropped(self) -> list[str]:
        """What the last attempt's route was not told, and this caller was not, but for the vendor's own words."""
        return [name for name in self.fact.dropped if name not in OF_THE_VENDOR]

    @abstractmethod
    def client(self, **more: Any) -> Any: ...

    @abstractmethod
    def ask(self, model: str, turns: list[Any], mode: str = "whole", *, system: str = "", **more: Any) -> Heard:
        """`system`: instructions, where the dialect has them."""

    @abstractmethod
    def user(self, *parts: Any) -> Any:
        """A turn of texts and of what `image` and the like give."""

    @abstractmethod
    def developer(self, text: str) -> Any: ...

    @abstractmethod
    def image(self, *, data: str = "", url: str = "") -> Json: ...

    @abstractmethod
    def pdf(self) -> Json: ...

    @abstractmethod
    def results(self, *results: Result) -> list[Any]: ...

    @abstractmethod
    def tools(self, *names: str) -> Json: ...

    @abstractmethod
    def forced(self, name: str) -> Json:
        """The choice of one tool."""

    @abstractmethod
    def limit(self, tokens: int) -> Json: ...

    @abstractmethod
    def effort(self, word: str) -> Json: ...

    @abstractmethod
    def stops(self, *words: str) -> Json: ...

    @abstractmethod
    def schema(self) -> Json:
        """Asks for an answer of `SCHEMA`."""

    @abstractmethod
    def parsed(self, model: str, turns: list[Any], kind: Any) -> Any:
        """What the SDK's own `.parse` makes of an answer, as a pydantic model of this kind."""


class ChatCaller(Caller):
    dialect, path = "chat", "/v1/chat/completions"

    def client(self, **more: Any) -> Any:
        return self.house.openai(**{"max_retries": 0, **more})

    def ask(self, model: str, turns: list[Any], mode: str = "whole", *, system: str = "", **more: Any) -> Heard:
        first = [{"role": "system", "content": system}] if system else []
        body = {"model": model, "messages": [*first, *turns], **more}
        completions = self.sdk.chat.completions
        if mode == "whole":
            answer = completions.create(**body)
            return chat_heard(answer.to_dict(), answer.choices[0].message, answer)
        body.setdefault("stream_options", {"include_usage": True})
        if mode == "events":
            stream = completions.create(**body, stream=True)
            whole = added_chunks(stream)
            return chat_heard(whole, whole["choices"][0]["message"], stream)
        with completions.stream(**body) as helped:
            helped.until_done()
            final = helped.get_final_completion()
        return chat_heard(final.to_dict(), unparsed(final.choices[0].message.to_dict()), final)

    def user(self, *parts: Any) -> Any:
        return {"role": "user", "content": [as_part(part, "text") for part in parts]}

    def developer(self, text: str) -> Any:
        return {"role": "developer", "content": text}

    def image(self, *, data: str = "", url: str = "") -> Json:
        return {"type": "image_url", "image_url": {"url": url or f"data:image/png;base64,{data}"}}

    def pdf(self) -> Json:
        file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
        return {"type": "file", "file": file}

    def results(self, *results: Result) -> list[Any]:
        return [{"role": "tool", "tool_call_id": r.call_id, "content": r.text} for r in results]

    def tools(self, *names: str) -> Json:
        inner = [{"name": name, "parameters": PARAMETERS, "strict": True} for name in names]
        return {"tools": [{"type": "function", "function": each} for each in inner]}

    def forced(self, name: str) -> Json:
        return {"tool_choice": {"type": "function", "function": {"name": name}}}

    def limit(self, tokens: int) -> Json:
        return {"max_completion_tokens": tokens}

    def effort(self, word: str) -> Json:
        return {"reasoning_effort": word}

    def stops(self, *words: str) -> Json:
        return {"stop": list(words)}

    def schema(self) -> Json:
        inner = {"name": "forecast", "schema": SCHEMA, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": inner}}

    def parsed(self, model: str, turns: list[Any], kind: Any) -> Any:
        answer = self.sdk.chat.completions.parse(model=model, messages=turns, response_format=kind)
        return answer.choices[0].message.parsed


def unparsed(message: Json) -> Json:
    """A helper's message without what the helper has made of it, which no server takes back."""
    for call in message.get("tool_calls") or []:
        call["function"].pop("parsed_arguments", None)
    return {name: value for name, value in message.items() if name != "parsed"}


class MessagesCaller(Caller):
    dialect, path = "messages", "/v1/messages"

    def client(self, **more: Any) -> Any:
        return self.house.anthropic(**{"max_retries": 0, **more})

    def ask(self, model: str, turns: list[Any], mode: str = "whole", *, system: str = "", **more: Any) -> Heard:
        body = {"model": model, "messages": turns, "max_tokens": 4_000, **more}
        body |= {"system": system} if system else {}
        if mode == "whole":
            answer = self.sdk.messages.create(**body)
            return messages_heard(answer.to_dict(), answer)
        if mode == "events":
            stream = self.sdk.messages.create(**body, stream=True)
            return messages_heard(added_events(stream), stream)
        with self.sdk.messages.stream(**body) as helped:
            final = helped.get_final_message()
        return messages_heard(final.to_dict(), final)

    def user(self, *parts: Any) -> Any:
        return {"role": "user", "content": [as_part(part, "text") for part in parts]}

    def developer(self, text: str) -> Any:
        return {"role": "system", "content": text}

    def image(self, *, data: str = "", url: str = "") -> Json:
        inline = {"type": "base64", "media_type": "image/png", "data": data}
        return {"type": "image", "source": {"type": "url", "url": url} if url else inline}

    def pdf(self) -> Json:
        source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
        return {"type": "document", "source": source, "title": "a.pdf"}

    def results(self, *results: Result) -> list[Any]:
        blocks = []
        for result in results:
            content = [{"type": "text", "text": result.text}]
            content += [self.image(data=result.image)] if result.image else []
            block = {"type": "tool_result", "tool_use_id": result.call_id, "content": content}
            blocks.append(block | ({"is_error": True} if result.is_error else {}))
        return [{"role": "user", "content": blocks}]

    def tools(self, *names: str) -> Json:
        return {"tools": [{"name": name, "input_schema": PARAMETERS} for name in names]}

    def forced(self, name: str) -> Json:
        return {"tool_choice": {"type": "tool", "name": name}}

    def limit(self, tokens: int) -> Json:
        return {"max_tokens": tokens}

    def effort(self, word: str) -> Json:
        share = {"low": 800, "medium": 2_000, "high": 3_200}[word]
        return {"thinking": {"type": "enabled", "budget_tokens": max(share, 1_024)}}

    def stops(self, *words: str) -> Json:
        return {"stop_sequences": list(words)}

    def schema(self) -> Json:
        return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}

    def parsed(self, model: str, turns: list[Any], kind: Any) -> Any:
        return self.sdk.messages.parse(
            model=model, messages=turns, max_tokens=4_000, output_format=kind
        ).parsed_output


class ResponsesCaller(Caller):
    """`exact`: a stream must say the same in all the ways in which it says it."""

    dialect, path = "responses", "/v1/responses"
    exact = True

    def client(self, **more: Any) -> Any:
        return self.house.openai(**{"max_retries": 0, **more})

    def ask(self, model: str, turns: list[Any], mode: str = "whole", *, system: str = "", **more: Any) -> Heard:
        body = {"model": model, "input": turns, "store": False, **more}
        body |= {"instructions": system} if system else {}
        if mode == "whole":
            answer = self.sdk.responses.create(**body)
            return responses_heard(answer.to_dict(), answer.output, answer)
        if mode == "events":
            stream = self.sdk.responses.create(**body, stream=True)
            whole = added_response(stream, exact=self.exact)
            return responses_heard(whole, whole["output"], stream)
        with self.sdk.responses.stream(**body) as helped:
            final = helped.until_done().get_final_response()
        return responses_heard(final.to_dict(), final.output, final)

    def user(self, *parts: Any) -> Any:
        return {"role": "user", "content": [as_part(part, "input_text") for part in parts]}

    def developer(self, text: str) -> Any:
        return {"role": "developer", "content": text}

    def image(self, *, data: str = "", url: str = "") -> Json:
        return {"type": "input_image", "detail": "auto", "image_url": url or f"data:image/png;base64,{data}"}

    def pdf(self) -> Json:
        return {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}

    def results(self, *results: Result) -> list[Any]:
        items = []
        for result in results:
            parts = [{"type": "input_text", "text": result.text}]
            parts += [self.image(data=result.image)] if result.image else []
            output = parts if result.image else result.text
            items.append({"type": "function_call_output", "call_id": result.call_id, "output": output})
        return items

    def tools(self, *names: str) -> Json:
        inner = [{"name": name, "parameters": PARAMETERS, "strict": True} for name in names]
        return {"tools": [{"type": "function", **each} for each in inner]}

    def forced(self, name: str) -> Json:
        return {"tool_choice": {"type": "function", "name": name}}

    def limit(self, tokens: int) -> Json:
        return {"max_output_tokens": tokens}

    def effort(self, word: str) -> Json:
        return {"reasoning": {"effort": word, "summary": "auto"}, "include": ["reasoning.encrypted_content"]}

    def stops(self, *words: str) -> Json:
        return {}

    def schema(self) -> Json:
        return {"text": {"format": {"type": "json_schema", "name": "forecast", "schema": SCHEMA, "strict": True}}}

    def parsed(self, model: str, turns: list[Any], kind: Any) -> Any:
        return self.sdk.responses.parse(model=model, input=turns, text_format=kind).output_parsed


CALLERS: dict[str, type[Caller]] = {c.dialect: c for c in (ChatCaller, MessagesCaller, ResponsesCaller)}
