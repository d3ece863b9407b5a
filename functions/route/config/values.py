"""Kinds of values that the config file has, for its models in `config`, `profiles` and `auto_router`."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ledger.money import usd

Money = Annotated[Decimal, BeforeValidator(usd), Field(le=10**9)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s/#|%]+$")]


def _no_boolean(value: object) -> object:
    """YAML's `true` would be read as 1: whoever wrote it meant something else."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - all that pydantic reports
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
Seconds = Annotated[Number, Field(gt=0, le=900)]
Share = Annotated[Number, Field(ge=0, le=1)]


class Strict(BaseModel):
    """Unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
