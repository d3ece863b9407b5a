"""Function URL events (payload format 2.0) to ASGI, and ASGI answers to what the platform expects.

One builder for both ways in, the streaming runtime and the buffered handler: the app sees the same request.
The format: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson

Headers = Iterable[tuple[bytes, bytes]]

PRELUDE_END: Final = b"\0" * 8
# The platform frames the body itself; a length of ours would contradict the chunks that it sends.
FRAMING: Final = frozenset({b"connection", b"content-length", b"keep-alive", b"transfer-encoding"})
# Everything that may stand in a path as it is, and `%`, so that an escape stays one escape.
PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"


def http_scope(event: Mapping[str, Any], *, deadline_ms: int, request_id: str) -> dict[str, Any]:
    """The ASGI scope of one event; its extensions carry the deadline (epoch ms) and the request id.

    Errors: `KeyError` for an event that no function URL sends (a test event from the console, say).
    """
    context = event["requestContext"]
    http = context["http"]
    headers = _headers(event)
    return {
        "type": "http",
        # From 2.4 on a broken connection is an OSError from send, which is how a lost Runtime API shows.
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": http.get("protocol", "HTTP/1.1").removeprefix("HTTP/"),
        "method": http["method"].upper(),
        "scheme": dict(headers).get(b"x-forwarded-proto", b"https").decode("latin-1"),
        "path": unquote(event["rawPath"]),
        "raw_path": quote(event["rawPath"], safe=PATH_SAFE).encode("ascii"),
        "query_string": event.get("rawQueryString", "").encode(),
        "root_path": "",
        "headers": headers,
        "client": (http.get("sourceIp", ""), 0),
        "server": (context.get("domainName", ""), 443),
        "extensions": {"warmroute.deadline_ms": deadline_ms, "warmroute.aws_request_id": request_id},
    }


def request_body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _headers(event: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Duplicates come joined by commas and stay so: it means the same, and a date has a comma too."""
    named = {name.lower(): value for name, value in event.get("headers", {}).items()}
    if event.get("cookies"):
        named["cookie"] = "; ".join(event["cookies"])
    return [(_octets(name), _octets(value)) for name, value in named.items()]


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def response_head(status: int, headers: Headers) -> dict[str, Any]:
    """`{"statusCode", "headers", "cookies"}`: the part that streamed and buffered answers share."""
    fields: dict[str, str] = {}
    cookies = []
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key == "set-cookie":
            cookies.append(text)
        elif name.lower() not in FRAMING:
            fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return {"statusCode": status, "headers": fields, "cookies": cookies}


def prelude(status: int, headers: Headers) -> bytes:
    """What comes before a streamed body: the head as JSON, which cannot hold a NUL byte, then eight."""
    return orjson.dumps(response_head(status, headers)) + PRELUDE_END


def buffered(status: int, headers: Headers, body: bytes) -> dict[str, Any]:
    """A whole answer: as text where it is UTF-8, else in base64."""
    head = response_head(status, headers)
    try:
        return head | {"body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        return head | {"body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}
