"""Rules of the auto-router, and requests for them."""

from collections.abc import Callable
from typing import Any

from route.config.file import Config
from route.dialects.base import Dialect
from route.dialects.chat import CHAT
from route.dialects.count_tokens import COUNT_TOKENS
from route.dialects.messages import MESSAGES
from route.dialects.responses import RESPONSES
from route.request.auto_router import Subject
from route.request.profile_choice import ProfileChoice, choose
from tests.route.build import Json, config, request

NAMES = ("default", "large", "multi", "coding", "writing")


def routed(*rules: Json, default: str | None = None, **more: Any) -> Config:
    """A file with these rules and a profile for each of the usual names."""
    profiles = {name: {"routes": ["acme/small"]} for name in NAMES}
    return config(profiles=profiles, auto_router={"rules": list(rules), "default": default}, **more)


def rule(match: Json, profile: str = "large", name: str = "r") -> Json:
    return {"id": name, "profile": profile, "match": match}


def hit(match: Json, asked: Json, dialect: Dialect = CHAT) -> bool:
    """Whether a request for `auto` goes where the only rule sends it."""
    said = request({**asked, "profile": "auto"}, dialect=dialect, config=routed(rule(match)))
    assert said.choice.rule in ("auto:r", "auto:default")
    assert said.choice.name == ("large" if said.choice.rule == "auto:r" else "default")
    return said.choice.rule == "auto:r"


PIXEL = "data:image/png;base64,iVBORw0KGgo="


SAID: dict[Dialect, Callable[[Any], Json]] = {
    CHAT: lambda content: {"messages": [{"role": "user", "content": content}]},
    MESSAGES: lambda content: {"messages": [{"role": "user", "content": content}]},
    RESPONSES: lambda content: {"input": [{"role": "user", "content": content}]},
    COUNT_TOKENS: lambda content: {"messages": [{"role": "user", "content": content}]},
}


IMAGE: dict[Dialect, Json] = {
    CHAT: {"type": "image_url", "image_url": {"url": PIXEL}},
    MESSAGES: {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
    RESPONSES: {"type": "input_image", "image_url": PIXEL},
    COUNT_TOKENS: {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
}


NOBODY: Json = {"messages": [{"role": "system", "content": "hello"}]}


def found(config: Config, subject: Subject) -> ProfileChoice:
    return choose({"profile": "auto"}, {}, "", config, subject)
