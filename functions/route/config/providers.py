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
"""Kinds whose address follows from an AWS region."""


class PriceConfig(Strict):
    """Dollars per million tokens. Cache rates default to 0.10, 1.25 and 2.0 times the input rate."""

    input_per_mtok: Money
    output_per_mtok: Money
    cache_read_per_mtok: Money | None = None
    cache_write_per_mtok: Money | None = None
    cache_write_1h_per_mtok: Money | None = None


DialectName = Literal["chat", "messages", "responses", "embeddings", "count_tokens"]
_NEVER_EXTRA = frozenset({"model", "messages", "input", "stream"})
FilterName = Literal["strip_thinking", "strip_stop_markers"]


class ModelConfig(Strict):
    """One model of a provider. `model` is the neutral name, `wire_model` the id on the provider's wire.

    `dialects`: those in which this model is served, where it is not all of its provider's. `extra_body` is added
    to each request's body; `append_system_prompt` to its system prompt; `timeout_s` is an attempt's deadline,
    where it is sooner than the profile's. `output_filters` and `repair_tool_calls` change its answers.
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
        return self.wire_model or self.model

    @cached_property
    def list_price(self) -> Price | None:
        """As the ledger counts with it; None where nobody knows the price."""
        return Price(**self.price.model_dump()) if self.price else None


class ProviderConfig(Strict):
    """A service that we call. `base_url`: an OpenAI one ends in `/v1`, an Anthropic one is the origin.

    `dialects`: those that it speaks, where it is not all that its kind can. `region`: of a Bedrock one.
    `paid`: its routes are passed over unless the profile, or the file, says `allow_paid`.
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
            # The value is not repeated: it may be a key that was pasted here.
            raise ValueError(
                "must be a reference: env:NAME, ssm:NAME or secretsmanager:NAME, never the key itself"
            )
        return value

    def price_of(self, model: ModelConfig) -> Price | None:
        """What a call of the model costs here: nothing where a subscription pays for it, else its list price.

        None where nobody knows the price, which is not the same as nothing.
        """
        return FREE if self.subscription else model.list_price
