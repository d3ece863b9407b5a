"""What the console asks of a router: JSON by GET, with an operator's key."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT_S = 30


class _NoRedirect(HTTPRedirectHandler):
    """The key is for the router alone, wherever that points to."""

    def redirect_request(self, *_args: object) -> None:
        return None


_DIRECT = build_opener(_NoRedirect)


class ConsoleError(Exception):
    """Nothing that could be shown. The message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A router's address, with or without `/v1`, and a key with the role operator."""

    url: str
    key: str

    def get(self, *path: str) -> dict[str, Any]:
        """The document at a path whose parts are given. ConsoleError for anything else than a 200 with one."""
        if not self.url or not self.key:
            raise ConsoleError("set WARMROUTE_URL and WARMROUTE_OPERATOR_KEY, or --url and --key")
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise ConsoleError(f"{self.url!r} is no http or https URL: set WARMROUTE_URL or --url")
        base = self.url.rstrip("/").removesuffix("/v1")
        url = f"{base}/{'/'.join(quote(part, safe='') for part in path)}"
        headers = {"authorization": f"Bearer {self.key}", "user-agent": "warmroute-console"}
        request = Request(url, headers=headers)  # noqa: S310 - its scheme has just been looked at
        try:
            with _DIRECT.open(request, timeout=TIMEOUT_S) as answer:
                document = json.load(answer)
        except HTTPError as error:
            raise ConsoleError(_told(error)) from None
        except (URLError, TimeoutError, OSError) as error:
            raise ConsoleError(f"no router answers at {base}: {getattr(error, 'reason', error)}") from None
        except ValueError:
            raise ConsoleError(f"what answers at {base} is no router: its answer is not JSON") from None
        if not isinstance(document, dict):
            raise ConsoleError(f"what answers at {base} is no router")
        return document


def _told(error: HTTPError) -> str:
    """The router's own words, and what they mean for who holds the wrong key."""
    try:
        said = json.load(error)["error"]
        words, code = str(said["message"]), said.get("code")
    except (ValueError, TypeError, KeyError):
        words, code = error.reason, None
    if error.code == 404 and code == "not_found":
        return "this key may not do that: it needs the role operator (or the router is an older one)"
    return f"{words} (HTTP {error.code})"
