"""The kinds of values that a config file can have, and the base class of everything that is read from it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Self

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
    """A part of the config file. Unknown keys are refused, and nothing changes once it has been read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, changed as `update` says. Properties that the original has cached are worked out anew for it."""
        copy = super().model_copy(update=update, deep=deep)
        for name in copy.__dict__.keys() - type(self).model_fields.keys():
            del copy.__dict__[name]
        return copy
