"""Anthropic's messages: how they pass, and how they are translated to and from the neutral form."""

from route.dialects.messages.native import MESSAGES

__all__ = ["MESSAGES"]
