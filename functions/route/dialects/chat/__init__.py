"""OpenAI's chat completions: as they pass by, and to and from the neutral form."""

from route.dialects.chat.native import CHAT

__all__ = ["CHAT"]
