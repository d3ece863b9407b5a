"""Why an inference went where it went: for its own tenant as decided, for operators made again."""

import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from ledger.items import ApiKey, Inference
from ledger.store.connection import StoreError
from route.decision.explanation import decision_document, explain
from route.errors import ApiError, NotFound, StoreUnavailable
from route.router import Router

_INFERENCE_ID = re.compile("inf_[0-9a-f]{32}")


async def read_decision(router: Router, request: Request, key: ApiKey) -> dict[str, Any]:
    """The decision behind an inference of the caller's tenant. Any other's is the NotFound of an unknown one."""
    inference = await _inference(router, request)
    if inference.origin.tenant != key.tenant:
        raise _not_found()
    return _read(decision_document, inference)


async def read_explanation(router: Router, request: Request, _key: ApiKey) -> dict[str, Any]:
    """For operators: any decision, made again from what is stored. NotFound without the inference."""
    return _read(explain, await _inference(router, request))


def _read(made: Callable[[str, bytes], dict[str, Any]], inference: Inference) -> dict[str, Any]:
    try:
        return made(inference.inference_id, inference.plan)
    except ValueError as error:
        raise ApiError(501, "decision_unreadable", f"This router cannot read it: {error}.") from None


async def _inference(router: Router, request: Request) -> Inference:
    inference_id: str = request.path_params["inference_id"]
    if not _INFERENCE_ID.fullmatch(inference_id):
        raise _not_found()
    try:
        inference, _facts = await router.store.facts.get_inference(inference_id)
    except StoreError:
        raise StoreUnavailable("The ledger") from None
    if inference is None:
        raise _not_found()
    return inference


def _not_found() -> NotFound:
    return NotFound("inference_not_found", "No such inference.")
