"""OpenAI's chat completions: how they pass, and how they are translated to and from the neutral form."""

from route.dialects.chat.native import CHAT

__all__ = ["CHAT"]
