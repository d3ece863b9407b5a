"""OpenAI's responses: how they pass, and how they are translated to and from the neutral form."""

from route.dialects.responses.native import RESPONSES

__all__ = ["RESPONSES"]
