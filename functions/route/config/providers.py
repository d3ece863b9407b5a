"""Providers and their models, as the config file has them."""

import re
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from ledger.prices import FREE, Price
from route.config.capabilities import Capabilities
from route.config.values import Money, Name, Seconds, Share, Strict, Whole

_SECRET = re.compile(r"^(env|ssm|secretsmanager):.+$")
KindName = Literal["openai_compat", "anthropic", "bedrock", "bedrock_mantle"]
KINDS: tuple[str, ...] = get_args(KindName)
_BY_REGION = ("bedrock", "bedrock_mantle")
"""Kinds of provider that need no `base_url`, since their address is made from an AWS region."""


class PriceConfig(Strict):
    """Dollars per million tokens. A cache rate that is not set is 0.10, 1.25 or 2.0 times the input rate."""

    input_per_mtok: Money
    output_per_mtok: Money
    cache_read_per_mtok: Money | None = None
    cache_write_per_mtok: Money | None = None
    cache_write_1h_per_mtok: Money | None = None


DialectName = Literal["chat", "messages", "responses", "embeddings", "count_tokens"]
_NEVER_EXTRA = frozenset({"model", "messages", "input", "stream"})
FilterName = Literal["strip_thinking", "strip_stop_markers"]


class ModelConfig(Strict):
    """One model of a provider. `model` is its name in this file, `wire_model` the name that its provider knows.

    `dialects`: the dialects in which this model is served, where these are not all of its provider's. `extra_body`
    is added to the body of each request, `append_system_prompt` to its system prompt. `timeout_s` is the deadline
    of an attempt, where it is sooner than the profile's. `output_filters` and `repair_tool_calls` change the
    answers.
    """

    model: Annotated[str, Field(min_length=1, max_length=128)]
    wire_model: Annotated[str, Field(min_length=1)] = ""
    price: PriceConfig | None = None
    quality: Share | None = None
    context_tokens: Annotated[Whole, Field(gt=0)] | None = None
    max_output_tokens: Annotated[Whole, Field(gt=0)] | None = None
    capabilities: Capabilities = Capabilities()
    dialects: Annotated[tuple[DialectName, ...], Field(min_length=1)] | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    append_system_prompt: str = ""
    timeout_s: Seconds | None = None
    output_filters: tuple[FilterName, ...] = ()
    repair_tool_calls: bool = False

    @field_validator("extra_body")
    @classmethod
    def _extra(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(_NEVER_EXTRA & value.keys()):
            raise ValueError(f"{', '.join(taken)}: what the caller says, or the route, cannot be replaced")
        return value

    @property
    def on_wire(self) -> str:
        """The model's name in requests to its provider."""
        return self.wire_model or self.model

    @cached_property
    def list_price(self) -> Price | None:
        """What the provider asks for by its list; None where nobody knows the price."""
        return Price(**self.price.model_dump()) if self.price else None


class ProviderConfig(Strict):
    """A service that the router calls.

    `base_url`: ends in `/v1` for an OpenAI-compatible provider, and is the origin for an Anthropic one.
    `dialects`: the dialects that it speaks, where these are not all that its kind can speak. `region`: the AWS
    region of a Bedrock provider. `paid`: its routes are passed over unless the profile or the file has
    `allow_paid`.
    """

    name: Name
    kind: KindName
    base_url: str = ""
    api_key: str | None = None
    dialects: Annotated[tuple[DialectName, ...], Field(min_length=1)] | None = None
    region: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    enabled: bool = True
    subscription: bool = False
    paid: Annotated[bool, Field(strict=True)] = False
    models: tuple[ModelConfig, ...]

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not re.match(r"^https?://[^/\s]+", value):
            raise ValueError("must be an http or https URL")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _address(self) -> Self:
        if not self.base_url and self.kind not in _BY_REGION:
            raise ValueError("base_url: missing (only a bedrock provider has one by its region)")
        if self.region and self.kind not in _BY_REGION:
            raise ValueError("region: only a bedrock provider has one")
        return self

    @field_validator("api_key")
    @classmethod
    def _reference(cls, value: str | None) -> str | None:
        if value is not None and not _SECRET.match(value):
            # The value is left out of the message, because it may be a key that was pasted here.
            raise ValueError(
                "must be a reference: env:NAME, ssm:NAME or secretsmanager:NAME, never the key itself"
            )
        return value

    def price_of(self, model: ModelConfig) -> Price | None:
        """What a call of the model costs here: nothing where a subscription pays for it, else its list price.

        None where nobody knows the price, which is not the same as nothing.
        """
        return FREE if self.subscription else model.list_price
