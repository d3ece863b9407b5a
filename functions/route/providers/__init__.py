"""The kinds of services that we call. A new one is one file and one line here."""

from route.providers.anthropic import Anthropic
from route.providers.base import Provider
from route.providers.bedrock import Bedrock, BedrockMantle
from route.providers.openai_compat import OpenAICompat

KINDS: dict[str, type[Provider]] = {kind.kind: kind for kind in (OpenAICompat, Anthropic, Bedrock, BedrockMantle)}
