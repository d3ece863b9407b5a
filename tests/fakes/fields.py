"""Fields that a vendor's SDK does not know: read from its parameter types, so that the lists age with it.

The top level, messages or items, their content parts and the tools are looked at; what lies deeper is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import typing_extensions as te

from tests.fakes.steps import Fail, Json

Known = Mapping[str, frozenset[str]]
"""Field names by ``type`` or ``role``; a word that is missing here is unknown itself, and not looked into."""

SAMPLING = ("temperature", "top_p", "top_k")  # Older versions of the messages API take them.


def chat_field_unknown(body: Json) -> Fail | None:
    """The refusal of the first field that chat completions do not take."""
    top, messages, parts, tools = _chat()
    for path, name in _unknown(body, top, (("messages", messages, parts), ("tools", tools, {}))):
        return Fail(400, f"Unrecognized request argument supplied: {path}{name}", param=f"{path}{name}")
    return None


def responses_field_unknown(body: Json) -> Fail | None:
    """The refusal of the first field that responses do not take."""
    top, items, parts, tools = _responses()
    for path, name in _unknown(body, top, (("input", items, parts), ("tools", tools, {}))):
        return Fail(400, f"Unknown parameter: '{path}{name}'.", param=f"{path}{name}", code="unknown_parameter")
    return None


def embeddings_field_unknown(body: Json) -> Fail | None:
    """The refusal of the first field that embeddings do not take."""
    from openai.types.embedding_create_params import EmbeddingCreateParams

    for name in sorted(set(body) - set(te.get_type_hints(EmbeddingCreateParams))):
        return Fail(400, f"Unrecognized request argument supplied: {name}", param=name)
    return None


def messages_field_unknown(body: Json) -> Fail | None:
    """The refusal of the first field that messages do not take."""
    top, messages, parts, tools = _messages()
    for path, name in _unknown(body, top, (("messages", messages, parts), ("tools", tools, {}))):
        where = f"{path}{name}".replace("[", ".").replace("]", "")
        return Fail(400, f"{where}: Extra inputs are not permitted")
    return None


def _unknown(
    body: Json, top: frozenset[str], lists: tuple[tuple[str, Known, Known], ...]
) -> Iterator[tuple[str, str]]:
    """The path (with its dot) and the name of each unknown field."""
    yield from (("", name) for name in sorted(set(body) - top))
    for name, known, known_parts in lists:
        for n, entry in enumerate(body[name] if isinstance(body.get(name), list) else []):
            if not isinstance(entry, Mapping):
                continue
            yield from ((f"{name}[{n}].", extra) for extra in _extra(entry, known))
            content = entry.get("content") if known_parts else None
            for at, part in enumerate(content if isinstance(content, list) else []):
                path = f"{name}[{n}].content[{at}]."
                yield from ((path, extra) for extra in _extra(part, known_parts))


def _extra(entry: Mapping[str, Any], known: Known) -> list[str]:
    word = entry.get("type") or entry.get("role") or ""
    names = known.get(str(word)) or known.get("")
    return sorted(set(entry) - names) if names else []


@cache
def _chat() -> tuple[frozenset[str], Known, Known, Known]:
    from openai.types import chat
    from openai.types.chat import completion_create_params as params

    top = frozenset(te.get_type_hints(params.CompletionCreateParamsBase)) | {"stream"}
    parts = _by_word(chat.ChatCompletionContentPartParam, chat.ChatCompletionContentPartRefusalParam)
    messages = dict(_by_word(chat.ChatCompletionMessageParam))
    messages["assistant"] |= {"annotations"}  # These are in an answer that is sent back as it came.
    return top, messages, parts, _by_word(chat.ChatCompletionToolUnionParam)


@cache
def _responses() -> tuple[frozenset[str], Known, Known, Known]:
    from openai.types import responses
    from openai.types.responses import input_token_count_params, response_create_params

    top = {
        *te.get_type_hints(response_create_params.ResponseCreateParamsBase),
        *te.get_type_hints(input_token_count_params.InputTokenCountParams),
    }
    # An agent of the vendor names itself in a field that the SDK does not know.
    top |= {"stream", "client_metadata"}
    parts = _by_word(
        responses.ResponseInputContentParam,
        responses.ResponseOutputTextParam,
        responses.ResponseOutputRefusalParam,
    )
    items = _by_word(responses.ResponseInputItemParam)
    by_role = dict.fromkeys(("user", "assistant", "system", "developer"), items["message"])
    return frozenset(top), {**items, **by_role}, parts, _by_word(responses.ToolParam)


@cache
def _messages() -> tuple[frozenset[str], Known, Known, Known]:
    from anthropic import types
    from anthropic.types import beta, message_create_params
    from anthropic.types.beta import message_create_params as beta_params

    top = {
        *te.get_type_hints(message_create_params.MessageCreateParamsBase),
        *te.get_type_hints(beta_params.MessageCreateParamsBase),
    }
    messages = _by_word(types.MessageParam, beta.BetaMessageParam)
    parts = _by_word(types.ContentBlockParam, beta.BetaContentBlockParam)
    tools = _by_word(types.ToolUnionParam, beta.BetaToolUnionParam)
    custom = {"": tools["custom"]} if "custom" in tools else {}
    top = {*top, "stream", *SAMPLING} - {"betas"}  # The SDK puts `betas` into a header.
    return frozenset(top), messages, parts, {**tools, **custom}


def _by_word(*unions: Any) -> Known:
    """Field names of each dict type in these unions, by the words that its ``type`` or ``role`` may be."""
    known: dict[str, frozenset[str]] = {}
    for union in unions:
        for one in _typed_dicts(union):
            hints = te.get_type_hints(one)
            for word in _words(hints.get("type", hints.get("role"))):
                known[word] = known.get(word, frozenset()) | {name.rstrip("_") for name in hints}
    return known


def _typed_dicts(union: Any) -> Iterator[Any]:
    if te.is_typeddict(union):
        yield union
    for argument in te.get_args(union):
        yield from _typed_dicts(argument)


def _words(hint: Any) -> Iterator[str]:
    """The texts in a literal type, however deep it lies in the hint."""
    for argument in te.get_args(hint):
        if isinstance(argument, str):
            yield argument
        else:
            yield from _words(argument)
