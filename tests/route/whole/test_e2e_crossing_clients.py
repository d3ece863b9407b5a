"""What agents really send: as it came to who speaks their dialect, and carried or reported to who does not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import Answer, ToolCall
from tests.route.callers import CALLERS, ONE_EACH, SPEAKS, Caller
from tests.route.house import House, build_house

MARK = {"cache_control": {"type": "ephemeral"}}
CLAUDE_CODE: dict[str, Any] = {
    "model": "messages",
    "max_tokens": 128_000,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329.feb;"},
        {"type": "text", "text": "You are Claude Code. \u00fc\U0001f600", **MARK},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>hi</system-reminder>"}]},
        {"role": "system", "content": "be careful", "output_config": {"effort": "high"}},
        {"role": "user", "content": [{"type": "text", "text": "list the files", **MARK}]},
    ],
    "tools": [
        {
            "name": "Bash",
            "description": "Runs a command",
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"command": {"type": "string"}},
            },
            "eager_input_streaming": True,
        },
        {
            "name": "DeferredToolPlaceholder",
            "input_schema": {"type": "object", "properties": {}},
            "defer_loading": True,
        },
    ],
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "medium"},
    "metadata": {"user_id": '{"session_id":"s-1","account":"a"}'},
    "a_field_of_next_year": {"deep": [1, 2.5, None, 1234567890123]},
}
BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,never-heard-of-2027-01-01"

CODEX: dict[str, Any] = {
    "model": "responses",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be brief"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "spawn one"}]},
    ],
    "tools": [
        {"type": "function", "name": "shell", "strict": False, "parameters": {"type": "object", "properties": {}}},
        {
            "type": "namespace",
            "name": "multi_agent_v1",
            "description": "Agents",
            "tools": [{"type": "function", "name": "spawn", "parameters": {"type": "object", "properties": {}}}],
        },
        {"type": "custom", "name": "apply_patch", "description": "A patch", "format": {"type": "text"}},
        {"type": "web_search", "external_web_access": True},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "s-2",
    "client_metadata": {"thread-id": "t"},
}


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    """Each dialect is spoken by one provider."""
    with build_house(dynamodb_url, **ONE_EACH) as built:
        yield built


@pytest.fixture(autouse=True)
def _fresh(house: House) -> None:
    for provider in house.providers.values():
        provider.clear()
        provider.default = Answer()


def as_sent(body: dict[str, Any], model: str) -> bytes:
    """The bytes of a body with another model in its place."""
    return json.dumps({**body, "model": model}, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.case("C1")
@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_claude_code_reaches_its_own_dialect_byte_for_byte(house: House, version: str) -> None:
    """Body, betas, version and query arrive as they were sent, but for the model and whose key it is."""
    key = {"x_api_key": "sk-alice"} if version < "2026" else {"authorization": "Bearer sk-alice"}
    more = {"anthropic_version": version, "anthropic_beta": BETAS, **key}
    response = house.post("/v1/messages?beta=true", as_sent(CLAUDE_CODE, "messages"), **more)
    assert response.status_code == 200
    [call] = house.providers["c"].calls
    assert call.raw == as_sent(CLAUDE_CODE, "small-2026-01")
    assert (call.path, call.query) == ("/v1/messages", "beta=true")
    assert (call.headers["anthropic-version"], call.headers["anthropic-beta"]) == (version, BETAS)
    given = call.headers.get("x-api-key") or call.headers["authorization"].removeprefix("Bearer ")
    assert given == "sk-provider"
    assert ("x-api-key" in call.headers) == (version == "2023-06-01")
    assert house.facts()[-1].dropped == ()
    assert house.session("s-1")["calls"] >= 1


@pytest.mark.parametrize("theirs", ["chat", "responses"])
def test_claude_code_elsewhere(house: House, theirs: str) -> None:
    """What matters is carried: the system's words at their place, tools, effort; every other field is named."""
    house.providers[SPEAKS[theirs]].plan(Answer(tool_calls=[ToolCall("Bash", {"command": "ls"})]))
    body = CLAUDE_CODE | {"model": theirs}
    response = house.post("/v1/messages?beta=true", body, anthropic_beta=BETAS, anthropic_version="2023-06-01")
    assert response.status_code == 200
    assert '"name":"Bash"' in response.text
    assert response.text.endswith('data: {"type":"message_stop"}\n\n')
    [call] = house.providers[SPEAKS[theirs]].calls
    said = json.dumps(call.body, ensure_ascii=False)
    places = [
        said.index(words)
        for words in ("You are Claude Code. \u00fc\U0001f600", "hi</", "be careful", "list the files")
    ]
    assert places == sorted(places)
    assert "billing-header" not in said
    assert call.query == ""
    assert "anthropic-beta" not in call.headers
    assert "medium" in (call.body.get("reasoning_effort"), call.body.get("reasoning", {}).get("effort"))
    dropped = set(house.facts()[-1].dropped)
    assert dropped >= {
        "a_field_of_next_year",
        "context_management",
        "messages[].content[].cache_control",
        "messages[].output_config",
        "system[].cache_control",
        "tools[].eager_input_streaming",
        "tools[].defer_loading",
    }
    assert not dropped & {"messages", "system", "tools", "max_tokens", "metadata.user_id", "output_config.effort"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("theirs", ["chat", "messages", "responses"])
def test_betas_that_nobody_knows_are_never_a_400(house: House, theirs: str, stream: bool) -> None:
    """The beta surface works wherever the request goes; where a beta may be known, it arrives."""
    with house.anthropic(max_retries=0) as sdk:
        answer: Any = sdk.beta.messages.create(
            model=theirs,
            max_tokens=64,
            messages=[{"role": "user", "content": "hi"}],
            betas=["never-heard-of-2027-01-01", "context-1m-2025-08-07"],
            stream=stream,
            extra_body={"a_field_of_next_year": 1},
            extra_query={"beta": "true"},
        )
        said = (
            "".join(getattr(e.delta, "text", "") for e in answer if e.type == "content_block_delta")
            if stream
            else answer.content[0].text
        )
    assert said == "small-2026-01 answers: hi"
    [call] = house.providers[SPEAKS[theirs]].calls
    known = theirs == "messages"
    assert ("a_field_of_next_year" in call.body, call.query, "anthropic-beta" in call.headers) == (
        known,
        "beta=true" if known else "",
        known,
    )
    assert ("a_field_of_next_year" in house.facts()[-1].dropped) == (not known)


def test_codex_reaches_its_own_dialect_byte_for_byte(house: House) -> None:
    """Namespaces, custom and hosted tools and all else arrive as they were sent."""
    assert house.post("/v1/responses", as_sent(CODEX, "responses")).status_code == 200
    [call] = house.providers["b"].calls
    assert call.raw == as_sent(CODEX, "small-2026-01")
    assert house.facts()[-1].dropped == ()
    assert house.session("s-2")["calls"] >= 1


@pytest.fixture(params=["chat", "messages"])
def elsewhere(request: pytest.FixtureRequest, house: House) -> Iterator[tuple[Caller, str]]:
    """A caller of Responses, and another dialect."""
    with CALLERS["responses"](house) as caller:
        yield caller, str(request.param)


@pytest.mark.case("C18")
@pytest.mark.parametrize("mode", ["whole", "events", "helper"])
def test_codex_elsewhere(house: House, elsewhere: tuple[Caller, str], mode: str) -> None:
    """A call of a namespace's tool comes back in its namespace, a custom tool's as text; both loops close."""
    caller, theirs = elsewhere
    provider = house.providers[SPEAKS[theirs]]
    spawn = ToolCall("multi_agent_v1__spawn", {"task": "x"})
    patch = ToolCall("apply_patch", {"input": "*** Begin\nü*** End"})
    provider.plan(Answer(tool_calls=[spawn, patch]), Answer(text="Done."))
    more = {k: v for k, v in CODEX.items() if k not in ("model", "input", "stream", "store", "client_metadata")}
    turns = list(CODEX["input"])
    first = caller.ask(theirs, turns, mode, **more)
    items = [item if isinstance(item, dict) else item.to_dict() for item in first.turns]
    [call] = [item for item in items if item["type"] == "function_call"]
    [custom] = [item for item in items if item["type"] == "custom_tool_call"]
    assert (call["namespace"], call["name"], json.loads(call["arguments"])) == (
        "multi_agent_v1",
        "spawn",
        {"task": "x"},
    )
    assert (custom["name"], custom["input"]) == ("apply_patch", "*** Begin\nü*** End")
    assert set(caller.dropped) >= {"tools[].web_search"}
    results = [
        {"type": "custom_tool_call_output", "call_id": custom["call_id"], "output": "patched"},
        {"type": "function_call_output", "call_id": call["call_id"], "output": "spawned"},
    ]
    second = caller.ask(theirs, [*turns, *first.turns, *results], mode, **more)
    assert second.text == "Done."
    said = json.dumps(provider.calls[-1].body, ensure_ascii=False)
    assert "spawned" in said
    assert "patched" in said
    assert said.count("multi_agent_v1__spawn") == 2, "declared, and called"
    assert "web_search" not in said
