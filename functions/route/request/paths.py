"""The paths that the router answers itself, in one table.

The app serves them, and what is passed through must never be one of them.

They are written as routes of Starlette: `{name}` is one segment, `{name:path}` any number of them.
"""

import re

from route.dialects import BY_PATH

VERSION = "/v1"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

SESSION = "/v1/session/{sid:path}"
DECISION = "/v1/inferences/{inference_id}/decision"
MODELS = "/v1/models"
MODEL = "/v1/models/{name:path}"
EXPLANATION = "/x/inferences/{inference_id}/explain"
OPERATORS = "/x/{rest:path}"
HEALTH = ("/healthz", "/")

_RESERVED = (
    "/v1/session",
    "/v1/usage",
    "/v1/usage/{rest:path}",
    "/v1/caps",
    "/v1/caps/{rest:path}",
    "/v1/inferences",
    "/v1/inferences/{rest:path}",
    "/v1/agents/{agent}/metrics",
)
"""Paths of the router that answer nothing yet, or not to every method: nobody else may answer them."""


def _pattern(path: str) -> str:
    """The regular expression of a path that has names in it."""
    return re.sub(r"\\\{\w+(:path)?\\\}", lambda name: ".*" if name[1] else "[^/]+", re.escape(path))


_OWN = re.compile("|".join(map(_pattern, (SESSION, DECISION, MODELS, MODEL, *_RESERVED))), re.DOTALL)


def is_own(method: str, path: str) -> bool:
    """Whether the router answers a path under `/v1` itself. `path` has no escapes any more.

    Of a dialect's own path only the listing of what is stored is the provider's. In other letters than ours a path
    is refused too, since a server that does not tell them apart would serve it unmetered.
    """
    folded = path.casefold()
    is_routed = folded in BY_PATH and (path != folded or method != "GET")
    return is_routed or bool(_OWN.fullmatch(folded))
