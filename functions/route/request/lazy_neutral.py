"""A request's body without its dialect: read when it is first asked for, and once for all who ask."""

from functools import cached_property

from route.dialects.base import Dialect, Document
from route.dialects.neutral import NeutralRequest
from route.errors import BadRequest


class LazyNeutral:
    """Of one body, which must not change any more."""

    def __init__(self, dialect: Dialect, body: Document) -> None:
        self.dialect = dialect
        self.body = body

    @cached_property
    def neutral(self) -> NeutralRequest | BadRequest:
        """The body in the neutral form; or why it has none, which only matters where it is needed."""
        conversion = self.dialect.conversion
        if conversion is None:
            return BadRequest("untranslatable", f"{self.dialect.path} cannot be translated.")
        try:
            return conversion.read_request(self.body)
        except BadRequest as fault:
            return fault
