"""Fields and events that no translation has to write down one by one, and why nothing is lost with them.

Each reason is printed beside its row in `docs/dialects.md`. What is not here and neither carried nor reported
fails the table's test.
"""

MODEL = "the router's to choose: the route's own model stands there"
ECHO = "an echo of the request: the caller reads its own words, from its own request"
FORM = "said by the form of the answer itself"
REPEATS = "repeats what earlier events said"
PROGRESS = "the progress of an item that is itself reported"
SUM = "a sum of two other fields, which is written anew"

STORED = "of the vendor's own store of items, which no other reads"
KIND = "the word for the usual kind, which goes without saying"

REQUESTS: dict[str, dict[str, str]] = {
    "chat": {
        "model": MODEL,
        "stream_options": FORM,
        "messages[].function.name": "finds the call that it answers",
        "response_format.json_schema.strict": "Anthropic's structured output is always strict",
        "top_logprobs": "refused with `logprobs`, without which it means nothing",
    },
    "messages": {
        "model": MODEL,
        "tools[].custom.type": KIND,
        "messages[].system.clear_at": "takes its message away where it no longer counts",
    },
    "responses": {
        "model": MODEL,
        "input[].message.type": KIND,
        **{
            f"input[].{kind}.{name}": STORED
            for kind in ("message", "function_call", "function_call_output", "custom_tool_call", "reasoning")
            for name in ("id", "status")
        },
        "input[].custom_tool_call_output.id": STORED,
        "input[].function_call_output.name": "names the call that it answers, which has its name",
        "input[].function_call_output.namespace": "names the call that it answers, which has its name",
        "text.format.json_schema.strict": "Anthropic's structured output is always strict",
    },
}

PART = "part of a count that is carried"
NOW = "when the answer came: the caller knows, and one dialect has no field for it"
NEVER = "never comes in answers to requests that were translated"

_ECHOED = (
    "instructions", "metadata", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p",
    "background", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "reasoning",
    "safety_identifier", "text", "top_logprobs", "truncation", "user",
)  # fmt: skip

ANSWERS: dict[str, dict[str, str]] = {
    "chat": {"usage.total_tokens": SUM, "created": NOW},
    "messages": {"usage.cache_creation.ephemeral_5m_input_tokens": PART},
    "responses": {
        "usage.total_tokens": SUM,
        "created_at": NOW,
        "completed_at": NOW,
        "error": "an error, which the provider's own reader turns into one of the caller's dialect",
        "output[].content[].output_text.logprobs[]": NEVER,
        "output[].function_call.namespace": NEVER,
        "output[].custom_tool_call.namespace": NEVER,
        **dict.fromkeys(_ECHOED, ECHO),
        **{
            f"output[].{kind}.{name}": STORED
            for kind in ("message", "function_call", "custom_tool_call", "reasoning")
            for name in ("id", "status")
        },
    },
}

REPEATED = "repeated by the item that ends, where it is reported"
LATER = "said when what it belongs to has ended"
ERROR = "an error, which the provider's own reader turns into one of the caller's dialect"
_HOSTED = (
    "audio", "code_interpreter_call_code", "code_interpreter_call", "compaction", "file_search_call",
    "shell_call_command", "shell_call_output_content", "web_search_call", "image_generation_call",
    "mcp_call_arguments", "mcp_call", "mcp_list_tools",
)  # fmt: skip
_SAID = (
    "function_call_arguments", "custom_tool_call_input", "reasoning_summary_text", "reasoning_text", "refusal",
    "output_text",
)  # fmt: skip

EVENTS: dict[str, dict[str, str]] = {
    "chat": {
        "created": NOW,
        "usage.total_tokens": SUM,
        "obfuscation": "padding against eavesdroppers, which says nothing",
        "choices[].delta.role": FORM,
        "choices[].delta.tool_calls[].index": FORM,
        "choices[].delta.tool_calls[].type": FORM,
    },
    "messages": {
        "ping": "keeps the connection alive, as the router's own comments do",
        "message_stop": FORM,
        "message_delta": LATER,
        "content_block_delta.signature_delta": LATER,
        "content_block_delta.compaction_delta": "more of a block that was reported when it began",
    },
    "responses": {
        **{f"response.{item}": PROGRESS for item in _HOSTED},
        **{f"response.{said}.done": REPEATS for said in _SAID},
        "response.content_part": FORM,
        "response.reasoning_summary_part": FORM,
        "response.output_item.added": FORM,
        "response.output_text.annotation": REPEATED,
        "response.failed": ERROR,
        "error": ERROR,
    },
}
