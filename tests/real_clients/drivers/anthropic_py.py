"""anthropic: its helper that runs tools, whole and streamed. It would leave the conversation with the provider
(`thread`) and send only what is new.
"""

import os
from pathlib import Path
from typing import Any

from anthropic import Anthropic, beta_tool


@beta_tool
def read_file(path: str) -> str:
    """Returns the text of a file."""
    return Path(path).read_text()


client = Anthropic(base_url=os.environ["ROUTER"], api_key=os.environ["KEY"], max_retries=0)
task: dict[str, Any] = {
    "model": os.environ["MODEL"],
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": os.environ["PROMPT"]}],
    "tools": [read_file],
}


def said(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


print(said(client.beta.messages.tool_runner(**task).until_done()))
print(said(client.beta.messages.tool_runner(**task, stream=True).until_done()))
