"""The operator's console, against a real router."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from ledger.items import ApiKey
from ledger.store.opened import Store
from route.request.auth import digest_of
from tests.client.stand_in import StandIn
from tests.fakes import Fail
from tests.route.house import ALICE, House, build_house, model
from warmroute.console.explanation import explanation

KEY = "sk-operator"
MAIN = "import sys; from warmroute.console import main; sys.exit(main())"


@pytest.fixture(scope="module")
def house(dynamodb_url: str) -> Iterator[House]:
    dear = model(price={"input_per_mtok": 300, "output_per_mtok": 1500}, quality=0.9)
    profiles = {"chat": {"routes": ["a/small", "b/small"], "health": {"threshold": 2}}}
    with build_house(dynamodb_url, models={"b": dear}, profiles=profiles) as built:

        async def operator(store: Store) -> None:
            await store.views.put_api_key(ApiKey(digest_of(KEY), "op", "ops", role="operator"))

        built.at_table(operator)
        yield built


def run(code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": "client", "COLUMNS": "80"} | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def console(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    done = run(MAIN, *arguments, **environment)
    return done.returncode, done.stdout, done.stderr


def asked(house: House, **more: object) -> str:
    """The id of an inference."""
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]} | more
    return str(house.post("/v1/chat/completions", body).headers["x-warmroute-inference-id"])


def test_explain_says_why(house: House) -> None:
    """Every candidate in the order in which it was to be tried, with what spoke for and against it, and that the
    decision made again is the same.
    """
    house.providers["a"].plan(Fail(500), Fail(500), Fail(500), Fail(500))
    for _ in range(4):
        inference_id = asked(house, session="s")
    code, out, err = console("explain", inference_id, WARMROUTE_URL=house.url, WARMROUTE_OPERATOR_KEY=KEY)
    assert (code, err) == (0, "")
    lines = [line.strip() for line in out.splitlines()]
    assert [line for line in lines if line[:2] in ("1.", "2.")] == ["1.  b|small|", "2.  a|small|"]
    assert "degraded" in lines[lines.index("2.  a|small|") :]
    assert "$3 in and $15 out per Mtok" in out
    assert "made again the same, byte for byte" in out
    assert "rule       model+" in out


def test_explain_as_json_is_the_router_s_document(house: House) -> None:
    """With `/v1` behind the address as well, which is how other settings have it."""
    inference_id = asked(house)
    code, out, _ = console("explain", inference_id, "--json", "--url", f"{house.url}/v1", "--key", KEY)
    told = json.loads(out)
    assert (code, told["same"], told["inference_id"]) == (0, True, inference_id)
    assert told == house.get(f"/x/inferences/{inference_id}/explain", key=KEY).json()


def test_a_request_that_was_not_understood_has_no_decision(house: House) -> None:
    """It says so, and that is no fault of the decision's."""
    code, out, _ = console("explain", asked(house, profile="nobody"), "--url", house.url, "--key", KEY)
    assert (code, "ended before a decision" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explain", "inf_1"], "set WARMROUTE_URL and WARMROUTE_OPERATOR_KEY"),
        (["explain", "inf_1", "--url", "URL", "--key", KEY], "No such inference. (HTTP 404)"),
        (["explain", "../../healthz", "--url", "URL", "--key", KEY], "needs the role operator"),
        (["explain", "inf_1", "--url", "URL", "--key", ALICE], "needs the role operator"),
        (["explain", "inf_1", "--url", "URL", "--key", "sk-nobody"], "not known to this router. (HTTP 401)"),
        (["explain", "inf_1", "--url", "http://127.0.0.1:9", "--key", KEY], "no router answers at"),
        (["explain", "inf_1", "--url", "file:///etc/passwd", "--key", KEY], "no http or https URL"),
    ],
)
def test_mistakes_are_said_in_one_line(house: House, arguments: list[str], says: str) -> None:
    """Exit code 2, no traceback, and never the key."""
    code, out, err = console(*(house.url if each == "URL" else each for each in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("warmroute: ")
    assert says in err
    assert "sk-" not in err


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    """A caller chooses some of them: `refused` names what of its request a route cannot be told."""
    row = {
        "route": "a|llama3[instruct]|",
        "chosen": True,
        "eligible": False,
        "rejection_reason": "lossy_translation",
    }
    row |= {"refused": ["tools[web_search]", "[/red]", "\x1b]0;owned\x07\x1b[31m"]}
    told = {"inference_id": "inf_1", "same": True, "decided": {"order": [], "candidates": [row]}}
    told["decided"] |= {"rule_fired": "r", "ruleset_hash": "h", "dial": "cost"}  # type: ignore[operator]
    screen = Console(width=200)
    with screen.capture() as shown:
        screen.print(explanation(told))
    assert "a|llama3[instruct]|" in shown.get()
    assert "(tools[web_search], [/red], ?]0;owned??[31m)" in shown.get()


def test_a_redirect_gets_no_key(house: House) -> None:
    """The operator's key is for the router alone, wherever that points to."""
    heard: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(302 if self.path.startswith("/x") else 200)
            self.send_header("location", "/stolen")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code, _, err = console("explain", "inf_1", "--url", f"http://127.0.0.1:{server.server_port}", "--key", KEY)
        server.shutdown()
    assert (code, heard) == (2, ["/x/inferences/inf_1/explain"])
    assert "HTTP 302" in err


def test_what_is_no_router_is_said_to_be_none(router: StandIn) -> None:
    """Whatever it answers with."""
    code, _, err = console("explain", "inf_1", "--url", router.origin, "--key", KEY)
    assert (code, err.count("\n")) == (2, 1)


def test_without_its_extra_the_console_says_so() -> None:
    """One line that can be copied, and nothing else of the package needs it."""
    hidden = "import sys; sys.modules['typer'] = None\n" + MAIN
    done = run(hidden)
    assert done.returncode == 2
    assert "pip install 'warmroute[cli]'" in done.stderr


def test_help_has_examples() -> None:
    """For the console and for its command."""
    assert "explain" in console("--help")[1]
    assert "warmroute explain inf_" in console("explain", "--help")[1]
