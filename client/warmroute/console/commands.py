"""The console's commands. Exit codes: 0 well, 1 not as it should be, 2 it could not be found out."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from warmroute.console.connection import Connection, ConsoleError
from warmroute.console.explanation import explanation

app = typer.Typer(
    name="warmroute",
    help="The operator's console of a Warmroute router.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Url = Annotated[str, typer.Option(envvar="WARMROUTE_URL", help="The router's address.", show_default=False)]
Key = Annotated[
    str,
    typer.Option(
        envvar=["WARMROUTE_OPERATOR_KEY", "WARMROUTE_API_KEY"], help="An operator's key.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the router's document instead of a table.")]


@app.callback()
def _console() -> None:
    """A callback, so that one command alone is still called by its name."""


@app.command(
    epilog="Examples:  warmroute explain inf_01a1f91b66c87aadbb6b383e4c1b4755  |  warmroute explain ID --json"
)
def explain(
    inference_id: Annotated[str, typer.Argument(metavar="INFERENCE_ID", help="From a receipt, or x-request-id.")],
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Why an inference went where it went: every candidate with its figures, and the decision made again.

    Exits with 1 when the decision, made again from what was stored, is not the one that is stored.
    """
    told = _get(url, key, "x", "inferences", inference_id, "explain")
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))  # noqa: T201 - what it is for
    else:
        Console().print(explanation(told), soft_wrap=True)
    if told.get("same") is False:
        raise typer.Exit(1)


def _get(url: str, key: str, *path: str) -> dict[str, Any]:
    try:
        return Connection(url, key).get(*path)
    except ConsoleError as error:
        print(f"warmroute: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from None
