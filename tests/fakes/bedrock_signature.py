"""What AWS does with a signed request (Signature Version 4), by hand: no botocore in here.

Source: AWS General Reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>\d{8}/[^/]+/[^/]+/aws4_request), "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
MUST_BE_SIGNED = ("host", "x-amz-date")
MAX_SKEW_S = 300


def fault_in_signature(
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Mapping[str, str],
    region: str,
    service: str,
    now: datetime,
) -> str | None:
    """Why a POST would be refused; None: it is well signed.

    ``target``: path and query as they stood in the request line. ``secrets``: secret keys by access key id.
    """
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        return "Authorization header requires Credential, SignedHeaders and Signature."
    stamp = headers.get("x-amz-date", "")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    names = match["names"].split(";")
    if fault := next(_faults(match["key"] in secrets, match["scope"], scope, names, headers), None):
        return fault
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((now - at).total_seconds()) > MAX_SKEW_S:
        return f"Signature expired: {stamp} is not within {MAX_SKEW_S} s of {now}."
    canonical = _canonical(target, headers, names, body)
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secrets[match['key']]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return None if hmac.compare_digest(signature, match["signature"]) else "The request signature does not match."


def _faults(
    known: bool, given: str, scope: str, names: Sequence[str], headers: Mapping[str, str]
) -> Iterator[str]:
    """What can be seen to be wrong before any hash is made."""
    if not known:
        yield "The security token included in the request is invalid."
    if given != scope:
        yield f"Credential should be scoped to {scope}, not {given}."
    if list(names) != sorted(names) or any(name not in names for name in MUST_BE_SIGNED):
        yield f"Headers must be signed, in order: {', '.join(MUST_BE_SIGNED)}."
    for name in headers:
        if name.startswith("x-amz-") and name not in names:
            yield f"Not signed: {name}."


def _canonical(target: str, headers: Mapping[str, str], names: Sequence[str], body: bytes) -> str:
    path, _, query = target.partition("?")
    lines = [
        "POST",
        quote(path, safe="/-_.~"),  # Every service but S3 encodes the path that it was sent once more.
        "&".join(sorted(query.split("&"))) if query else "",
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
        "",
        ";".join(names),
        hashlib.sha256(body).hexdigest(),
    ]
    return "\n".join(lines)
