"""Reads and writes the parts of a message in chat completions: text, images, audio, files, refusals."""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from route.dialects.base import Document
from route.dialects.conversion import Target
from route.dialects.data_urls import base64_url, read_data_url
from route.dialects.fields import Fields, Report
from route.dialects.marks import MARK, mark_of
from route.dialects.neutral import Audio, File, Image, Part, Refusal, Text
from route.errors import BadRequest

_WEB = ("http://", "https://")
NO_TYPE = "application/octet-stream"


def malformed(path: str, must: str) -> BadRequest:
    """The error for a field that cannot be read and whose content must not be lost."""
    return BadRequest("invalid_messages", f"'{path}' must be {must}.", param=path)


def needed(fields: Fields, name: str) -> str:
    """Takes a string that the object must have. Raises BadRequest."""
    value: str | None = fields.take(name, str)
    if value is None:
        raise malformed(fields.at(name), "a text")
    return value


def read_content(message: Fields) -> tuple[Part, ...]:
    """The parts of a message's `content`, which is a text or a list; none for null and for an empty text."""
    content, at = message.take("content"), message.at("content")
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (Text(text=content, at=at),)
    if not isinstance(content, list):
        raise malformed(at, "a text or a list of parts")
    parts = [_read_part(part, message.report, f"{at}[]") for part in content]
    return tuple(part for part in parts if part is not None)


def _read_part(document: object, report: Report, path: str) -> Part | None:
    if not isinstance(document, Mapping):
        raise malformed(path, "an object")
    fields = Fields(document, report, path)
    kind = fields.text("type")
    if kind not in _READ:
        fields.rest()
        report.refuse(f"{path}.{kind or 'type'}")
        return None
    return _READ[kind](fields)


def _read_text(fields: Fields) -> Part:
    return Text(text=needed(fields, "text"), cache=mark_of(fields), at=fields.path)


def _read_refusal(fields: Fields) -> Part:
    return Refusal(text=needed(fields, "refusal"), cache=mark_of(fields), at=fields.path)


def _read_image(fields: Fields) -> Part:
    at, cache = fields.at("image_url"), mark_of(fields)
    plain = fields.take("image_url", str)
    inner = fields.object("image_url") if plain is None else Fields({"url": plain}, fields.report, at)
    url, detail = needed(inner, "url"), inner.text("detail")
    media_type, data = _data_of(url)
    return Image(url="" if data else url, media_type=media_type, data=data, detail=detail, cache=cache, at=at)


def _read_audio(fields: Fields) -> Part:
    inner = fields.object("input_audio")
    data, form = needed(inner, "data"), needed(inner, "format")
    return Audio(data=data, format=form, cache=mark_of(fields), at=inner.path)


def _read_file(fields: Fields) -> Part:
    inner, cache = fields.object("file"), mark_of(fields)
    said, name, file_id = inner.text("file_data"), inner.text("filename"), inner.text("file_id")
    if not said and not file_id:
        raise malformed(inner.at("file_data"), "a text, or there must be a 'file_id'")
    media_type, data = _data_of(said)
    url = said if said.lower().startswith(_WEB) else ""
    return File(
        url=url,
        media_type=media_type,
        data="" if url else data or said,
        file_id=file_id,
        name=name,
        cache=cache,
        at=inner.path,
    )


def _data_of(url: str) -> tuple[str, str]:
    """The media type and base64 data of a data URL; two empty texts for any other URL."""
    found = read_data_url(url)
    if found is None:
        return "", ""
    if found.is_base64:
        return found.media_type.lower(), found.data
    plain = unquote_to_bytes(found.data.encode("utf-8", "surrogatepass"))
    return found.media_type.lower(), base64.b64encode(plain).decode()


_READ: Mapping[str, Callable[[Fields], Part]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "refusal": _read_refusal,
}


def write_part(part: Part, target: Target, report: Report) -> Document | None:
    """A part on the wire, its cache mark included. None where it cannot be written, which is reported."""
    write = _WRITE.get(type(part))
    document = None if write is None else write(part, target)
    if document is None:
        report.refuse(part.path)
        return None
    return marked(document, part.cache, part.at, target, report)


def marked(document: Document, cache: Document | None, at: str, target: Target, report: Report) -> Document:
    """The object with its cache mark, where the target is known to take one: other servers answer with a 400."""
    if cache is None:
        return document
    if target.cache_control is not True:
        report.drop(f"{at}.{MARK}")
        return document
    return {**document, MARK: cache}


def content_of(parts: list[Document]) -> str | list[Document]:
    """The shortest form of a content: a single text without a mark becomes a string."""
    if not parts:
        return ""
    is_plain = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return parts[0]["text"] if is_plain else parts


def _write_text(part: Any, target: Target) -> Document:
    return {"type": "text", "text": part.text}


def _write_image(part: Any, target: Target) -> Document | None:
    url = base64_url(part.media_type, part.data) if part.data else part.url
    if target.images is False or not url:
        return None
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {})}


def _write_audio(part: Any, target: Target) -> Document:
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}


def _write_file(part: Any, target: Target) -> Document | None:
    """Writes only what the request holds: a file id means nothing to other providers, and no URL is fetched."""
    if part.text:
        return {"type": "text", "text": part.titled_text}
    if not part.data:
        return None
    data = base64_url(part.media_type or NO_TYPE, part.data)
    return {"type": "file", "file": {"filename": part.name or "document", "file_data": data}}


def _write_refusal(part: Any, target: Target) -> Document:
    return {"type": "refusal", "refusal": part.text}


_WRITE: Mapping[type[Part], Callable[[Any, Target], Document | None]] = {
    Text: _write_text,
    Image: _write_image,
    Audio: _write_audio,
    File: _write_file,
    Refusal: _write_refusal,
}
