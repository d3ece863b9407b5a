"""The vendors' own SDKs as judges of bytes: what their stream helpers and strict types make of an answer."""

import anthropic
import httpx2
import openai
from anthropic.types import Message
from openai.types.chat import ChatCompletion

from tests.route.build import Json

_ASKED: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def _answering(stream: bytes) -> httpx2.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def chat_streamed(stream: bytes) -> ChatCompletion:
    """What `chat.completions.stream` of the openai SDK adds up to. Raises what it raises."""
    http = _answering(stream)
    with (
        openai.OpenAI(api_key="k", base_url="http://judge", http_client=http, max_retries=0) as client,
        client.chat.completions.stream(**_ASKED) as events,
    ):
        return events.get_final_completion()


def message_streamed(stream: bytes) -> Message:
    """What `messages.stream` of the anthropic SDK adds up to. Raises what it raises."""
    http = _answering(stream)
    with (
        anthropic.Anthropic(api_key="k", base_url="http://judge", http_client=http, max_retries=0) as client,
        client.messages.stream(**_ASKED, max_tokens=9) as events,
    ):
        return events.get_final_message()


def chat_whole(answer: bytes) -> ChatCompletion:
    """As the openai SDK's own type has it, every field checked."""
    return ChatCompletion.model_validate_json(answer, strict=False)


def message_whole(answer: bytes) -> Message:
    return Message.model_validate_json(answer, strict=False)
