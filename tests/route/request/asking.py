"""What several tests of requests ask for."""

from typing import Any

from route.config.file import Config
from route.request.profile_choice import ProfileChoice, choose
from tests.route.build import Json, body, config

CHOICES = config(
    aliases={"gpt-4o": "large", "fast": "other/small", "large": "default", "acme/large": "messages"},
    mode_aliases={"deep": "large", "claude": "messages"},
    default_profile="default",
)


def chosen(
    model: str = "", headers: Json | None = None, *, config: Config = CHOICES, **asked: Any
) -> ProfileChoice:
    return choose(body(**asked), headers or {}, model, config)
