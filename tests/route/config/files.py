"""Small config files, and what is wrong with them."""

from typing import Any

import pytest
import yaml

from route.config.file import Config, ConfigError, parse_config
from tests.route.build import Json, document, model, provider

DESIGN = """
providers:
  - name: acme
    kind: openai_compat            # or anthropic, bedrock
    base_url: http://127.0.0.1:9101/v1
    api_key: env:ACME_KEY
    models:
      - {model: small, wire_model: small-2026-01, quality: 0.8, context_tokens: 128000,
         price: {input_per_mtok: 3, output_per_mtok: 15}, capabilities: {tools: true, images: true}}
  - name: other
    kind: openai_compat
    base_url: http://127.0.0.1:9102/v1
    models: [{model: small}]
profiles:
  default: {routes: [acme/small, other/small], order: static}
budgets:
  - {scope: "provider:acme", period: month, limit_usd: 5, action: skip, mode: hard}
default_profile: default
"""


def loaded(document: Json) -> Config:
    return parse_config(yaml.safe_dump(document))


def fault(text: str | Json) -> str:
    """What is said of a file that is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text if isinstance(text, str) else yaml.safe_dump(text))
    return str(caught.value)


def with_model(**more: Any) -> Json:
    return document(providers=[provider("acme", model() | more), *document()["providers"][1:]], profiles=ONE)


ONE = {"default": {"routes": ["acme/small"]}}
