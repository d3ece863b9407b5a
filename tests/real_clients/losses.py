"""What clients lose on the way to a provider of another dialect, and back: what receipts name as `dropped`.

The README beside this has the same as a table.
"""

from collections.abc import Mapping

from tests.real_clients.cases import PROVIDERS, Case

OF_ANSWERS = {
    "anthropic": "answer.usage.service_tier",
    "chat-only": "answer.service_tier answer.system_fingerprint",
    "responses-only": "answer.service_tier",
}
"""What every answer of a kind of provider has, and other dialects do not."""

LOST: Mapping[str, str] = {
    "claude-code:messages-on-chat-only": (
        "context_management messages[].content[].thinking messages[].content[].cache_control system[] "
        "system[].cache_control thinking tools[].defer_loading"
    ),
    "claude-code:messages-on-responses-only": (
        "context_management messages[].content[].thinking messages[].content[].cache_control system[] "
        "system[].cache_control tools[].defer_loading answer.reasoning.encrypted_content"
    ),
    "codex:responses-on-anthropic": (
        "client_metadata prompt_cache_key reasoning tools[].description tools[].web_search"
    ),
    "codex:responses-on-chat-only": (
        "client_metadata input[].thinking reasoning tools[].description tools[].web_search"
    ),
    "opencode:chat-on-anthropic": "messages[].reasoning_content.thinking reasoning_effort",
    "opencode:chat-on-responses-only": "messages[].reasoning_content.thinking",
    "opencode:responses-on-anthropic": "prompt_cache_key",
    "opencode:responses-on-chat-only": "input[].thinking reasoning",
    "opencode:messages-on-chat-only": (
        "messages[].content[].cache_control system[].cache_control tools[].eager_input_streaming"
    ),
    "opencode:messages-on-responses-only": (
        "messages[].content[].cache_control system[].cache_control tools[].eager_input_streaming"
    ),
    "llm:messages-on-chat-only": "messages[].content[].thinking",
    "llm:messages-on-responses-only": "messages[].content[].thinking",
    "openai-agents:responses-on-chat-only": "input[].thinking",
    "langchain:responses-on-chat-only": "input[].thinking",
    "langchain:messages-on-chat-only": "messages[].content[].thinking",
    "langchain:messages-on-responses-only": "messages[].content[].thinking",
    "pydantic-ai:chat-on-anthropic": "messages[].reasoning_content.thinking",
    "pydantic-ai:chat-on-responses-only": "messages[].reasoning_content.thinking",
    "pydantic-ai:responses-on-chat-only": "input[].thinking",
    "litellm:chat-on-anthropic": "messages[].provider_specific_fields messages[].reasoning_content.thinking",
    "litellm:chat-on-responses-only": "messages[].provider_specific_fields messages[].reasoning_content.thinking",
    "langchain-js:chat-on-anthropic": "messages[].name",
    "langchain-js:chat-on-responses-only": "messages[].name",
    "langchain-js:responses-on-chat-only": "input[].thinking",
    "langchain-js:messages-on-chat-only": "messages[].content[].thinking",
    "langchain-js:messages-on-responses-only": "messages[].content[].thinking",
    "ai-sdk:responses-on-anthropic": "input[].item_reference",
    "ai-sdk:responses-on-chat-only": "input[].item_reference",
    "ai-sdk:messages-on-chat-only": "messages[].content[].thinking tools[].eager_input_streaming",
    "ai-sdk:messages-on-responses-only": "messages[].content[].thinking tools[].eager_input_streaming",
    "ai-sdk:chat-on-anthropic": "messages[].reasoning_content.thinking",
    "ai-sdk:chat-on-responses-only": "messages[].reasoning_content.thinking",
    "openai-js:responses-on-anthropic": "input[].parsed_arguments",
    "openai-js:responses-on-chat-only": "input[].thinking input[].parsed_arguments",
    "anthropic-py:messages-on-chat-only": "messages[].content[].thinking",
    "anthropic-py:messages-on-responses-only": "messages[].content[].thinking",
    "anthropic-js:messages-on-chat-only": "messages[].content[].thinking",
    "anthropic-js:messages-on-responses-only": "messages[].content[].thinking",
    "openai-agents-js:chat-on-anthropic": "verbosity",
    "openai-agents-js:responses-on-anthropic": "text.verbosity",
    "openai-agents-js:responses-on-chat-only": "input[].thinking",
}
"""Besides, by case. A client that is not here loses nothing else."""


def table_row(client: str, surface: str) -> str:
    """Of the README's table: the paths by provider, in the order of `PROVIDERS`."""
    cells = []
    for provider in PROVIDERS[surface][1:]:
        lost = LOST.get(f"{client}:{surface}-on-{provider}", "").split()
        cells.append(f"{provider}: {', '.join(f'`{path}`' for path in lost) or 'nothing'}")
    return f"| {client} | {surface} | {' | '.join(cells)} |"


def lost_by(case: Case) -> set[str]:
    """The paths in the receipts of a run."""
    lost = LOST.get(str(case), "")
    return {*lost.split(), *(OF_ANSWERS[case.provider].split() if case.is_translated else ())}
