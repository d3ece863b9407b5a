"""`openai.OpenAI` and `openai.AsyncOpenAI` with a router behind them."""

import openai

from warmroute.config import OPENAI
from warmroute.hooks import AsyncRouted, SyncRouted, signed_as


@signed_as(openai.OpenAI)
class OpenAI(SyncRouted, openai.OpenAI):
    """`openai.OpenAI`, sent to the router that WARMROUTE_URL and WARMROUTE_API_KEY or arguments name.

    Arguments, methods, results and exceptions are the vendor's; `session()` is added. Without any
    WARMROUTE_ setting it behaves as `openai.OpenAI` does. Raises `warmroute.ConfigurationError` when
    only one of the two settings is there, and when a call would take WARMROUTE_API_KEY to another host than
    WARMROUTE_URL's.
    """

    _vendor = OPENAI


@signed_as(openai.AsyncOpenAI)
class AsyncOpenAI(AsyncRouted, openai.AsyncOpenAI):
    """`openai.AsyncOpenAI`, as `warmroute.OpenAI`."""

    _vendor = OPENAI
