"""What tests of faults and of keys share."""

from typing import Any

HI: list[Any] = [{"role": "user", "content": "hi"}]


CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
