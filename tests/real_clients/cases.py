"""Which clients there are, what each speaks, and what a run of it must leave in the ledger."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.real_clients import CLIENTS, Client
from tests.real_clients.policy import Policy, agent, editor, filler
from tests.route.house import model

SURFACES = {"chat": "gpt-5-mini", "responses": "gpt-5-mini", "messages": "claude-sonnet-4-6"}
"""The dialects, each with a model's name as its clients know them: the router's default profile serves it."""

ROUTES = {
    "openai": ["a/small"],
    "chat-only": ["b/small"],
    "responses-only": ["b/small"],
    "anthropic": ["c/small"],
    "two of anthropic": ["c/small", "d/small"],
}
"""The stand-ins of each kind of provider, as the only routes; the first one is used."""

DIALECTS = {"chat-only": ["chat"], "responses-only": ["responses"]}
"""What a kind speaks where it is not all that its vendor does. Most that are OpenAI-compatible know only chat."""

PROVIDERS = {
    "chat": ("openai", "anthropic", "responses-only"),
    "messages": ("anthropic", "chat-only", "responses-only"),
    "responses": ("openai", "anthropic", "chat-only"),
}
"""The kinds that each surface is tried on: the one that speaks it first, then one for each other dialect."""

READ = agent("read_file", {"path": "secret.txt"})
READ_WITH_BASH = agent("(?i)^bash$", {"command": "cat secret.txt", "description": "Prints the file"})
READ_WITH_CODEX = agent("exec_command", {"cmd": "cat secret.txt"})
FILL = filler("ReadFile", {"path": "secret.txt"}, "Says")

ONCE_EACH = (False, False, True, True)
STREAMED = (True,) * 4


@dataclass(frozen=True, slots=True)
class Driven:
    """A client and its driver. `surfaces`: for each dialect, which of its calls are streamed, asides included.

    `finals`: how many times a run does the task and says the final text. `tools`: whether it does so by tools of
    the dialect. `session`: whether the client names a session of its own. `threads`: whether each time it does the
    task it first wants to leave the conversation with the provider, and takes no for an answer.
    """

    name: str
    driver: str
    surfaces: Mapping[str, tuple[bool, ...]]
    policy: Policy = READ
    finals: int = 2
    tools: bool = True
    session: bool = False
    threads: bool = False

    @property
    def client(self) -> Client:
        return CLIENTS[self.name]


DRIVEN = (
    Driven(
        "claude-code",
        "claude_code.sh",
        {"messages": (True, True)},
        policy=READ_WITH_BASH,
        finals=1,
        session=True,
    ),
    Driven(
        "codex",
        "codex.sh",
        {"responses": (True, True)},
        policy=READ_WITH_CODEX,
        finals=1,
        session=True,
    ),
    Driven(
        "opencode",
        "opencode.sh",
        dict.fromkeys(SURFACES, (True, True, True)),  # the first one is for a title
        policy=READ_WITH_BASH,
        finals=1,
        session=True,
    ),
    Driven(
        "aider",
        "aider.sh",
        # Each edit is committed, with a message that a call of its own has written.
        dict.fromkeys(("chat", "messages"), (False,) * 6 + (True,) * 2),
        policy=editor,
        tools=False,
    ),
    Driven("llm", "llm.sh", {"chat": ONCE_EACH, "messages": STREAMED}),
    Driven("openai-agents", "openai_agents.py", dict.fromkeys(("chat", "responses"), ONCE_EACH)),
    Driven("langchain", "langchain.py", dict.fromkeys(SURFACES, ONCE_EACH)),
    Driven(
        "pydantic-ai",
        "pydantic_ai.py",
        {"chat": ONCE_EACH, "responses": ONCE_EACH, "messages": STREAMED},
    ),
    Driven("instructor", "instructor.py", dict.fromkeys(("chat", "messages"), ONCE_EACH), policy=FILL),
    Driven("litellm", "litellm.py", dict.fromkeys(("chat", "messages"), ONCE_EACH)),
    Driven("langchain-js", "langchain_js.mjs", dict.fromkeys(SURFACES, ONCE_EACH)),
    Driven("ai-sdk", "ai_sdk.mjs", dict.fromkeys(("responses", "messages"), ONCE_EACH)),
    # Two provider packages of it speak chat.
    Driven("ai-sdk", "ai_sdk.mjs", {"chat": ONCE_EACH * 2}, finals=4),
    Driven("openai-js", "openai_js.mjs", dict.fromkeys(("chat", "responses"), ONCE_EACH)),
    Driven("anthropic-py", "anthropic_py.py", {"messages": ONCE_EACH}, threads=True),
    Driven("anthropic-js", "anthropic_js.mjs", {"messages": ONCE_EACH}, threads=True),
    Driven("openai-agents-js", "openai_agents_js.mjs", dict.fromkeys(("chat", "responses"), ONCE_EACH)),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A client that speaks a dialect to the router, which has a provider of one kind and no other."""

    driven: Driven
    surface: str
    provider: str

    @property
    def house(self) -> dict[str, Any]:
        """The config of its router: everything that is asked for is served by the same routes."""
        spoken = DIALECTS.get(self.provider)
        models = {self.stand_in: model(dialects=spoken)} if spoken else {}
        profiles = {"task": {"routes": ROUTES[self.provider]}}
        return {"models": models, "profiles": profiles, "default_profile": "task"}

    @property
    def stand_in(self) -> str:
        """The name of its provider."""
        return ROUTES[self.provider][0].partition("/")[0]

    @property
    def is_translated(self) -> bool:
        """Whether more is asked of the router than to pass on what it is given."""
        return self.provider in PROVIDERS[self.surface][1:]

    @property
    def streams(self) -> Counter[bool]:
        """How many calls of a run do the task, by whether they are streamed."""
        return Counter(self.driven.surfaces[self.surface])

    @property
    def asks_for_a_thread(self) -> Counter[bool]:
        """The same of the calls that are refused, and sent again in a way that any provider can answer."""
        return Counter((False, True) if self.driven.threads else ())

    @property
    def refuses_threads_itself(self) -> bool:
        """Whether it is the router that says no: to the only route of the dialect it leaves the answer."""
        return self.provider != PROVIDERS[self.surface][0]

    def __str__(self) -> str:
        return f"{self.driven.name}:{self.surface}-on-{self.provider.replace(' ', '-')}"


CASES = tuple(
    Case(driven, surface, provider)
    for driven in DRIVEN
    for surface in driven.surfaces
    for provider in (*PROVIDERS[surface], *(["two of anthropic"] if driven.threads else []))
)
