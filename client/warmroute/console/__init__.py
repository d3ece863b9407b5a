"""The operator's console: `warmroute …`, over HTTP alone.

It needs `pip install 'warmroute[cli]'`; the package itself stays light without it.
"""

import sys


def main() -> int:
    """The command's entry point. 2 when what it needs is not installed."""
    try:
        from warmroute.console.commands import app  # noqa: PLC0415 - an extra, which need not be there
    except ModuleNotFoundError as missing:
        if missing.name not in {"typer", "rich"}:
            raise
        print("warmroute: the console needs an extra: pip install 'warmroute[cli]'", file=sys.stderr)  # noqa: T201
        return 2
    app()
    return 0
