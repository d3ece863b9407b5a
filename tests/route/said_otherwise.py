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
        "top_logprobs": "refused with `logprobs`, without which it means nothing",
    },
    "messages": {"model": MODEL, "tools[].custom.type": KIND},
    "responses": {
        "model": MODEL,
        "input[].message.type": KIND,
        **{
            f"input[].{kind}.{name}": STORED
            for kind in ("message", "function_call", "function_call_output", "custom_tool_call", "reasoning")
            for name in ("id", "status")
        },
        "input[].custom_tool_call_output.id": STORED,
        "text.format.json_schema.strict": "Anthropic's structured output is always strict",
    },
}

ANSWERS: dict[str, dict[str, str]] = {
    "chat": {"usage.total_tokens": SUM},
    "messages": {},
    "responses": {"usage.total_tokens": SUM},
}

EVENTS: dict[str, dict[str, str]] = {"chat": {}, "messages": {}, "responses": {}}
