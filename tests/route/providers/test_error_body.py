"""What is heard of a provider's error, from the bodies that real servers send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.providers.error_body import ErrorBody, read_error_body
from tests.route.build import Json

OVERFLOW = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
RAW = json.dumps({"error": {"message": OVERFLOW, "type": "BadRequestError"}})

IN_ENVELOPE: list[tuple[str, Json, ErrorBody]] = [
    (
        "OpenAI",
        {"error": {"message": "No.", "type": "invalid_request_error", "param": "messages", "code": "bad"}},
        ErrorBody("No.", "bad", "invalid_request_error", "messages", True),
    ),
    (
        "Anthropic",
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
        ErrorBody("Overloaded", "", "overloaded_error", None, True),
    ),
    (
        "OpenRouter",
        {"error": {"code": 402, "message": "Insufficient credits"}, "user_id": "user_1"},
        ErrorBody("Insufficient credits", "402", "", None, True),
    ),
    (
        "OpenRouter, of its backend",
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {"raw": RAW, "provider_name": "DeepInfra"},
            }
        },
        ErrorBody(f"Provider returned error: {OVERFLOW}", "400", "", None, True),
    ),
    (
        "OpenRouter, of a backend that speaks plainly",
        {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "Slow down."}}},
        ErrorBody("Provider returned error: Slow down.", "429", "", None, True),
    ),
    (
        "Ollama, at its OpenAI path",
        {"error": {"message": 'model "x" not found', "type": "not_found_error", "param": None, "code": None}},
        ErrorBody('model "x" not found', "", "not_found_error", None, True),
    ),
    (
        "llama.cpp",
        {
            "error": {
                "code": 400,
                "message": "request (5000 tokens) exceeds the available context size (4096 tokens)",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 5000,
                "n_ctx": 4096,
            }
        },
        ErrorBody(
            "request (5000 tokens) exceeds the available context size (4096 tokens)",
            "400",
            "exceed_context_size_error",
            None,
            True,
        ),
    ),
    (
        "vLLM",
        {"error": {"message": OVERFLOW, "type": "BadRequestError", "param": None, "code": 400}},
        ErrorBody(OVERFLOW, "400", "BadRequestError", None, True),
    ),
    (
        "Azure",
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
        ErrorBody("The API deployment does not exist.", "DeploymentNotFound", "", None, True),
    ),
]

OUTSIDE: list[tuple[str, Any, ErrorBody]] = [
    (
        "Ollama, its own path",
        {"error": "model requires more system memory (5.6 GiB) than is available (3.2 GiB)"},
        ErrorBody("model requires more system memory (5.6 GiB) than is available (3.2 GiB)"),
    ),
    (
        "LM Studio",
        {
            "error": "Trying to keep the first 5000 tokens when context the overflows. However, the model is "
            "loaded with context length of only 4096 tokens, which is not enough."
        },
        ErrorBody(
            "Trying to keep the first 5000 tokens when context the overflows. However, the model is "
            "loaded with context length of only 4096 tokens, which is not enough."
        ),
    ),
    (
        "vLLM, older",
        {"object": "error", "message": OVERFLOW, "type": "BadRequestError", "param": None, "code": 400},
        ErrorBody(OVERFLOW, "400", "BadRequestError"),
    ),
    ("FastAPI", {"detail": "Not Found"}, ErrorBody("Not Found")),
    (
        "FastAPI's validation",
        {"detail": [{"type": "missing", "loc": ["body", "messages", 0], "msg": "Field required", "input": {}}]},
        ErrorBody("body.messages.0: Field required"),
    ),
    (
        "Mistral",
        {
            "object": "error",
            "message": {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]},
            "type": "invalid_request_error",
            "param": None,
            "code": "1500",
        },
        ErrorBody("body.model: Field required", "1500", "invalid_request_error"),
    ),
    (
        "Google, in a list",
        [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
        ErrorBody("API key not valid.", "400", "INVALID_ARGUMENT", None, True),
    ),
    (
        "xAI",
        {"code": "Client specified an invalid argument", "error": "Model not found: grok-9"},
        ErrorBody("Model not found: grok-9", "Client specified an invalid argument"),
    ),
    (
        "TGI",
        {"error": "Input validation error: `inputs` must have less than 4096 tokens", "error_type": "validation"},
        ErrorBody("Input validation error: `inputs` must have less than 4096 tokens", "", "validation"),
    ),
    ("Hugging Face", {"error": ["Model is too busy"]}, ErrorBody("Model is too busy")),
    ("Cohere", {"message": "invalid api token"}, ErrorBody("invalid api token")),
    (
        "Cloudflare",
        {"success": False, "errors": [{"code": 7000, "message": "No route for that URI"}], "result": None},
        ErrorBody("No route for that URI"),
    ),
    ("AWS", {"Message": "User is not authorized"}, ErrorBody("User is not authorized")),
    (
        "AWS's front",
        {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"},
        ErrorBody("", "", "com.amazon.coral.service#UnknownOperationException"),
    ),
    ("OAuth", {"error": "invalid_token", "error_description": "It has expired."}, ErrorBody("invalid_token")),
]


@pytest.mark.parametrize(
    ("name", "body", "heard"), IN_ENVELOPE + OUTSIDE, ids=[n for n, *_ in IN_ENVELOPE + OUTSIDE]
)
def test_each_vendor_s_words_are_kept(name: str, body: Any, heard: ErrorBody) -> None:
    """Message, code, type and parameter, wherever they stand."""
    assert read_error_body(json.dumps(body).encode()) == heard, name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"[7]",
        b"{}",
        b'{"error": null}',
        b"\xff",
    ],
)
def test_what_says_nothing_is_nothing(body: bytes) -> None:
    """Pages, scalars and empty objects."""
    assert read_error_body(body) == ErrorBody()


def test_a_message_in_nested_envelopes_is_found_up_to_a_depth() -> None:
    """And what is nested further was not meant for reading."""
    deep: Any = "found"
    for _ in range(4):
        deep = {"error": deep}
    assert read_error_body(json.dumps(deep).encode()).message == "found"
    assert read_error_body(json.dumps({"error": {"error": deep}}).encode()).message == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "msg", "loc", "metadata", "raw", "code", "type", "Output"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_anything_is_heard_without_a_fault(body: Any) -> None:
    """A stranger's error body must not become a bug of ours."""
    heard = read_error_body(json.dumps(body).encode())
    assert isinstance(heard.message, str)
    assert isinstance(heard.code, str)


@given(st.binary(max_size=64))
def test_any_bytes_are_heard(body: bytes) -> None:
    """Nor anything that is no JSON at all."""
    read_error_body(body)


def test_a_hostile_depth_is_no_fault() -> None:
    """A list in a list in a list, ten thousand times."""
    assert read_error_body(b"[" * 10_000 + b"]" * 10_000) == ErrorBody()
    nested = b'{"error": {"message": "m", "metadata": {"raw": "' + b"[" * 5_000 + b'"}}}'
    assert read_error_body(nested).message == "m"
