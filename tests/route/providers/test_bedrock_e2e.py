"""Bedrock behind the whole router: SDKs in front, frames and signatures behind, facts in between."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

from ledger.outcomes import FaultKind, Outcome
from tests.fakes import Answer, Cut, Fail, StreamError, ToolCall
from tests.fakes.bedrock import Bedrock
from tests.route.house import House, model

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASKED: Any = {"model": "", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Bedrock]:
    with Bedrock(region="eu-west-1") as running:
        yield running


@pytest.fixture
def house(
    bedrock: Bedrock, build: Callable[..., House], dynamodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> House:
    """Chain `messages`: Claude on Bedrock, then the same stand-in as Anthropic's own; `chat`: gpt-oss there."""
    bedrock.claude.clear()
    bedrock.others.clear()
    bedrock.requests.clear()
    ((key, secret),) = bedrock.secrets.items()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    aws = {"kind": "bedrock", "base_url": bedrock.origin, "region": "eu-west-1"}
    claude, oss = model("claude", wire_model=SONNET), model("oss", wire_model="openai.gpt-oss-20b-1:0")
    spare = bedrock.claude.origin
    return build(
        providers=[
            {"name": "aws", "models": [claude, oss], **aws},
            {"name": "spare", "kind": "anthropic", "base_url": spare, "api_key": "env:K", "models": [model()]},
        ],
        profiles={"messages": {"routes": ["aws/claude", "spare/small"]}, "chat": {"routes": ["aws/oss"]}},
        default_profile="messages",
    )


@pytest.mark.parametrize("stream", [False, True])
def test_claude_answers_through_bedrock(house: House, bedrock: Bedrock, stream: bool) -> None:
    """Text, tool call and usage as Anthropic's SDK reads them, and the same in the ledger."""
    bedrock.claude.plan(Answer(text="Hi there", tool_calls=[ToolCall("look", {"at": "it"})], usage={"prompt": 9}))
    tools: Any = [{"name": "look", "input_schema": {"type": "object"}}]
    with house.anthropic() as client:
        if stream:
            with client.messages.stream(**ASKED, tools=tools) as running:
                message: anthropic.types.Message = running.get_final_message()
        else:
            message = client.messages.create(**ASKED, tools=tools)
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert (message.usage.input_tokens, message.stop_reason) == (9, "tool_use")
    (fact,) = house.facts()
    assert (fact.provider, fact.outcome, fact.tool_calls) == ("aws", Outcome.OK, 1)
    assert fact.usage is not None
    assert fact.usage.input == 9
    (seen,) = bedrock.requests
    assert seen.target == f"/model/{SONNET}/invoke" + ("-with-response-stream" if stream else "")
    assert seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


def test_other_models_answer_too(house: House, bedrock: Bedrock) -> None:
    """In OpenAI's dialect, streamed, with usage."""
    bedrock.others.plan(Answer(text="one two"))
    asked: Any = {"model": "oss", "messages": ASKED["messages"]}
    with house.openai() as client:
        stream = client.chat.completions.create(**asked, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "one two"
    (fact,) = house.facts()
    assert fact.ok
    assert fact.usage is not None
    assert fact.usage.output > 0


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (StreamError(after_chunks=0), FaultKind.OVERLOADED),
        (Cut(after_chunks=0, how="torn"), FaultKind.BAD_ANSWER),
        (Cut(after_chunks=0, how="reset"), FaultKind.NETWORK),
        (Fail(529, "Overloaded"), FaultKind.OVERLOADED),
        (Fail(424, "The model failed."), FaultKind.SERVER_ERROR),
        (Fail(429, "Too many tokens, please wait."), FaultKind.RATE_LIMITED),
    ],
)
def test_what_fails_before_content_falls_through(
    house: House, bedrock: Bedrock, step: Any, kind: FaultKind
) -> None:
    """Exception frames, torn ones, broken connections and AWS's own statuses: the next route serves."""
    bedrock.claude.plan(step, Answer(text="from the spare"))
    with house.anthropic(max_retries=0) as client, client.messages.stream(**ASKED) as running:
        assert running.get_final_text() == "from the spare"
    first, second = house.facts()
    assert (first.kind, second.provider, second.ok) == (kind, "spare", True)


SLOWLY = Answer(text="one two three", gap_ms=60)
"""The first delta has gone to the caller when the second comes."""


@pytest.mark.parametrize(
    "step", [StreamError(after_chunks=2, answer=SLOWLY), Cut(after_chunks=2, how="torn", answer=SLOWLY)]
)
def test_after_content_it_is_an_error_event(house: House, bedrock: Bedrock, step: Any) -> None:
    """Never a second answer behind the first."""
    bedrock.claude.plan(step)
    with (
        house.anthropic(max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(**ASKED) as running,
    ):
        running.get_final_text()
    (fact,) = house.facts()
    assert fact.outcome is Outcome.STREAM_INTERRUPTED


def test_a_refused_request_is_told_in_anthropic_s_words(house: House, bedrock: Bedrock) -> None:
    """AWS's message, in the envelope that the SDK reads; and no other route is asked."""
    bedrock.claude.plan(Fail(400, "messages: text content blocks must be non-empty"))
    with house.anthropic(max_retries=0) as client, pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**ASKED)
    body: Any = caught.value.body
    assert body["error"]["message"] == "messages: text content blocks must be non-empty"
    assert body["error"]["type"] == "invalid_request_error"
    assert len(house.facts()) == 1


def test_a_beta_that_bedrock_does_not_know_is_reported(house: House, bedrock: Bedrock) -> None:
    """Agents send a dozen: none of them is a 400."""
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14"
    answer = house.post("/v1/messages", ASKED, anthropic_beta=betas, anthropic_version="2023-06-01")
    assert answer.status_code == 200, answer.text
    assert "anthropic-beta: claude-code-20250219" in answer.json()["x_router"]["dropped"]
    assert bedrock.requests[0].body["anthropic_beta"] == ["interleaved-thinking-2025-05-14"]


@pytest.mark.parametrize("stream", [False, True])
def test_openai_s_dialect_reaches_claude_on_bedrock(house: House, bedrock: Bedrock, stream: bool) -> None:
    """Translated there and back."""
    bedrock.claude.plan(Answer(text="one two"))
    asked: Any = {"model": "claude", "messages": ASKED["messages"]}
    with house.openai() as client:
        if stream:
            chunks = client.chat.completions.create(**asked, stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        else:
            text = client.chat.completions.create(**asked).choices[0].message.content or ""
    assert text == "one two"
    assert bedrock.requests[0].body["messages"][0]["role"] == "user"
