"""Writes images and documents as Anthropic's blocks."""

from base64 import b64decode
from urllib.parse import unquote_to_bytes

from route.dialects.base import Document
from route.dialects.conversion import Target
from route.dialects.data_urls import read_data_url
from route.dialects.fields import Report
from route.dialects.neutral import File, Image

_IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
_SYNONYMS = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-pdf": "application/pdf"}
_PDF = "application/pdf"
_PDF_BEGINS = "JVBERi"  # "%PDF" in base64
_TEXTS = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_NOTHING_SAID = ("", "auto")


def image(part: Image, target: Target, report: Report) -> Document | None:
    """An image block. None, with a refusal, where Anthropic does not take the image or the model sees none."""
    url, media_type, data = _held(part)
    source = _image_source(url, media_type, data)
    if part.file_id or source is None or target.images is False:
        report.refuse(part.path)
        return None
    if part.detail not in _NOTHING_SAID:
        report.drop(f"{part.at}.detail")
    return {"type": "image", "source": source}


def document(part: File, target: Target, report: Report) -> Document | None:
    """A document block. None where the document is empty, and with a refusal where Anthropic does not take it."""
    url, media_type, data = _held(part)
    if media_type in _IMAGES and not part.text:
        return image(Image(media_type=media_type, data=data, at=part.at), target, report)
    text = part.text or _text_of(media_type, data)
    if text is not None and not text.strip() and not part.file_id and not url:
        return None
    source = _document_source(url, media_type, data, text)
    if part.file_id or source is None:
        report.refuse(part.path)
        return None
    block: Document = {"type": "document", "source": source}
    return block | {"title": part.name} if part.name else block


def _held(part: Image | File) -> tuple[str, str, str]:
    """`(url, media type, base64)` of a part; a data URL becomes media type and base64."""
    found = read_data_url(part.url)
    if found is None:
        return part.url, _named(part.media_type), part.data
    return "", _named(found.media_type), found.data if found.mentions_base64 else ""


def _named(media_type: str) -> str:
    media_type = media_type.partition(";")[0].strip().lower()
    return _SYNONYMS.get(media_type, media_type)


def _image_source(url: str, media_type: str, data: str) -> Document | None:
    if url.lower().startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    if data and media_type in _IMAGES:
        return {"type": "base64", "media_type": media_type, "data": data}
    return None


def _document_source(url: str, media_type: str, data: str, text: str | None) -> Document | None:
    if url.lower().startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    if text:
        return {"type": "text", "media_type": "text/plain", "data": text}
    if data and (media_type == _PDF or data.startswith(_PDF_BEGINS)):
        return {"type": "base64", "media_type": _PDF, "data": data}
    return None


def _text_of(media_type: str, data: str) -> str | None:
    """The text that base64 data of a textual type holds; None for other types."""
    if not media_type.startswith(_TEXTS):
        return None
    try:
        return b64decode(unquote_to_bytes(data)).decode("utf-8-sig")
    except ValueError:
        return None
