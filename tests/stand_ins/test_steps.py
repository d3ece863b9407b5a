"""How a stand-in is told what to do: in order, by default, as JSON, and as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import openai
import pytest

from tests.fakes import Answer, Cut, Fail, Garbage, Provider, Raw, StreamError, ToolCall, step_from_json
from tests.stand_ins.asking import ASK, chat


def test_default_by_request(oai: Provider) -> None:
    """The default may look at the request; planned steps come first, in order; ``clear`` forgets."""
    oai.default = lambda record: Answer(text=record.body["model"].upper())
    oai.plan(Answer(text="planned"))
    assert [chat(oai).choices[0].message.content for _ in range(2)] == ["planned", "SMALL"]
    oai.clear()
    assert oai.requests == []
    assert chat(oai).choices[0].message.content == "SMALL"


def test_steps_as_json() -> None:
    """A step reads the same from JSON; an unknown name or field is refused."""
    assert step_from_json({"fail": 500}) == Fail(500)
    assert step_from_json({"stream_error": None}) == StreamError()
    cut = {"cut": {"after_chunks": 0, "how": "eof", "answer": {"tool_calls": [{"name": "f"}]}}}
    assert step_from_json(cut) == Cut(0, "eof", Answer(tool_calls=(ToolCall("f"),)))
    assert step_from_json({"garbage": {"body": "x"}}) == Garbage(body=b"x")
    assert step_from_json({"raw": {"pieces": ["x"]}}) == Raw((b"x",))
    with pytest.raises(ValueError, match="unknown step"):
        step_from_json({"explode": 1})
    with pytest.raises(TypeError):
        step_from_json({"fail": {"colour": "red"}})


def test_process_with_control_endpoints() -> None:
    """Out of process: one ready line, then plan, default, release, requests and clear over HTTP."""
    command = [sys.executable, "-m", "tests.fakes", "--kind", "openai", "--name", "acme"]
    command += ["--always", '{"answer": "always"}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, origin = process.stdout.readline().split()
            assert word == "ready"

            def control(path: str, body: Any = None, method: str = "POST") -> Any:
                data = json.dumps(body).encode() if body is not None else None
                request = urllib.request.Request(f"{origin}{path}", data, method=method)
                with urllib.request.urlopen(request, timeout=5) as response:
                    return json.load(response)

            assert control("/__plan", [{"fail": 429}, {"wait": "gate"}]) == {"planned": 2}
            control("/__release", {"event": "gate"})
            with openai.OpenAI(base_url=f"{origin}/v1", api_key="k", max_retries=0) as client:
                with pytest.raises(openai.RateLimitError):
                    client.chat.completions.create(model="m", messages=ASK)
                texts = []
                for _ in range(2):
                    whole = client.chat.completions.create(model="m", messages=ASK)
                    texts.append(whole.choices[0].message.content)
                assert texts == ["m answers: What is warm?", "always"]
                assert whole.to_dict()["provider"] == "acme"
            assert [r["status"] for r in control("/__requests", method="GET")] == [429, 200, 200]
            with pytest.raises(urllib.error.HTTPError, match="400"):
                control("/__default", {"explode": 1})
            control("/__clear")
            assert control("/__requests", method="GET") == []
        finally:
            os.kill(process.pid, signal.SIGTERM)
