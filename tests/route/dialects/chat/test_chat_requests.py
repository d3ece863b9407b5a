"""What the plan learns of a chat request, and the body that goes on to a provider of the same dialect."""

import json

import pytest

from route.dialects.base import Features
from route.dialects.chat import CHAT
from route.errors import BadRequest
from tests.route.build import Json, body


def test_features_of_a_plain_request() -> None:
    """What is not said is not asked for."""
    features = CHAT.features(body(model="small"))
    assert features == Features("small", stream=False, tools_requested=False, images=False, usage_asked=False)


TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("more", "requested"),
    [
        ({"tools": [TOOL]}, True),
        ({"tools": [TOOL], "tool_choice": "auto"}, True),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, True),
        ({"functions": [{"name": "f"}]}, True),
        ({"tools": [TOOL], "tool_choice": "none"}, False),
        ({"tools": []}, False),
        ({"tools": None}, False),
        ({"tools": "f"}, False),
    ],
)
@pytest.mark.case("U6", "C5")
def test_tools_are_requested_when_some_may_be_called(more: Json, requested: bool) -> None:
    """`tools: []` is none, and `tool_choice: none` is no evidence."""
    assert CHAT.features(body(**more)).tools_requested is requested


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ([{"type": "text", "text": "image_url"}], False),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x"}}], True),
        ("image_url", False),
        (None, False),
        ([None, 1], False),
    ],
)
def test_images_are_seen_in_any_message(content: object, images: bool) -> None:
    """A part of that type, in the history too; a word in a text is none."""
    messages = [{"role": "user", "content": content}, {"role": "user", "content": "and now?"}]
    assert CHAT.features({"messages": messages}).images is images


@pytest.mark.parametrize(
    ("more", "usage_asked"),
    [
        ({"stream": True}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": None}, False),
    ],
)
def test_usage_is_asked_for_upstream_and_remembered(more: Json, usage_asked: bool) -> None:
    """It is always requested of the provider; whether the caller wanted it decides who sees it."""
    asking = body(**more)
    assert CHAT.features(asking).usage_asked is usage_asked
    assert CHAT.upstream_body(asking, "m")["stream_options"]["include_usage"] is True


def test_stream_options_keep_the_rest() -> None:
    """What else the caller says of the stream goes on."""
    asking = body(stream=True, stream_options={"include_obfuscation": False})
    assert CHAT.upstream_body(asking, "m")["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }


@pytest.mark.case("C1")
def test_a_body_goes_on_with_only_the_model_replaced() -> None:
    """Unknown fields too; what speaks to the router is left out, and the caller's body is not touched."""
    known: Json = {
        "response_format": {"type": "json_object"},
        "seed": 7,
        "stop": "x",
        "n": 2,
        "future": {"a": [1.0, None]},
    }
    asking = body(model="default", profile="p", session="s", **known)
    asking["messages"].append({"role": "developer", "content": "be brief", "cache_control": {"type": "ephemeral"}})
    before = json.dumps(asking)
    upstream = CHAT.upstream_body(asking, "small-2026-01")
    assert upstream == {"model": "small-2026-01", "messages": asking["messages"], **known}
    assert json.dumps(asking) == before


@pytest.mark.parametrize("messages", [None, "Hello", {"role": "user"}])
def test_messages_must_be_a_list(messages: object) -> None:
    """What no provider could take is told by parameter."""
    with pytest.raises(BadRequest) as caught:
        CHAT.features({"messages": messages})
    assert caught.value.param == "messages"
