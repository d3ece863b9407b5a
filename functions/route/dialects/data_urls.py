"""Files that a request holds as `data:` URLs: `data:<media type>;<parameters>,<data>` (RFC 2397)."""

from typing import NamedTuple

_SCHEME = "data:"
_BASE64 = "base64"


class DataUrl(NamedTuple):
    """The parts of a data URL as they are written. `parameters`: those of the media type, and `base64`."""

    media_type: str
    parameters: tuple[str, ...]
    data: str

    @property
    def is_base64(self) -> bool:
        """Whether the data is base64, and not percent-encoded text: by the standard the last parameter says so."""
        return bool(self.parameters) and self.parameters[-1].lower() == _BASE64

    @property
    def mentions_base64(self) -> bool:
        """Whether any parameter says base64, also where blanks surround it or others follow."""
        return any(parameter.strip().lower() == _BASE64 for parameter in self.parameters)


def read_data_url(url: str) -> DataUrl | None:
    """The parts of a data URL. None for any other URL, and for a data URL that has no comma and so no data."""
    head, comma, data = url.partition(",")
    if not comma or head[: len(_SCHEME)].lower() != _SCHEME:
        return None
    media_type, *parameters = head[len(_SCHEME) :].split(";")
    return DataUrl(media_type, tuple(parameters), data)


def base64_url(media_type: str, data: str) -> str:
    """The data URL of base64 data."""
    return f"{_SCHEME}{media_type};{_BASE64},{data}"
