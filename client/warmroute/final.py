"""The stream helpers' final objects carry the receipt too.

`get_final_message()`, `get_final_completion()` and `get_final_response()` build a new object from the events
and drop what they do not know, and none of the client's hooks sees that object. So these methods, and only
these, get a wrapper that attaches the receipt of their own response. It does nothing for answers that no
router wrote, and it is put on only after a router's stream was seen.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from warmroute.lookup import attach, find_response

_FINALS = (
    ("openai.lib.streaming.chat", "ChatCompletionStream", "get_final_completion"),
    ("openai.lib.streaming.chat", "AsyncChatCompletionStream", "get_final_completion"),
    ("openai.lib.streaming.responses", "ResponseStream", "get_final_response"),
    ("openai.lib.streaming.responses", "AsyncResponseStream", "get_final_response"),
    ("anthropic.lib.streaming", "MessageStream", "get_final_message"),
    ("anthropic.lib.streaming", "AsyncMessageStream", "get_final_message"),
    ("anthropic.lib.streaming", "BetaMessageStream", "get_final_message"),
    ("anthropic.lib.streaming", "BetaAsyncMessageStream", "get_final_message"),
)
_MARK = "_warmroute_carries_receipt"


def carry_receipts() -> None:
    """Wrap the final methods of the helpers that are loaded; a helper in use is loaded."""
    for module, class_name, method_name in _FINALS:
        helper = getattr(sys.modules.get(module), class_name, None)
        method = getattr(helper, method_name, None)
        if method is not None and not hasattr(method, _MARK):
            wrap = _carrying_async if inspect.iscoroutinefunction(method) else _carrying
            wrapped = wrap(method)
            setattr(wrapped, _MARK, True)
            setattr(helper, method_name, wrapped)


def _carrying(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def final(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = method(self, *args, **kwargs)
        attach(answer, find_response(self))
        return answer

    return final


def _carrying_async(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def final(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = await method(self, *args, **kwargs)
        attach(answer, find_response(self))
        return answer

    return final
