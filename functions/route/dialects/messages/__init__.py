"""Anthropic's messages: as they pass by, and to and from the neutral form."""

from route.dialects.messages.native import MESSAGES

__all__ = ["MESSAGES"]
