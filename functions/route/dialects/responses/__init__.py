"""OpenAI's responses: as they pass by, and to and from the neutral form."""

from route.dialects.responses.native import RESPONSES

__all__ = ["RESPONSES"]
