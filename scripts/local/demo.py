"""Warmroute on this machine, from an empty store to checked books, with provider stand-ins instead of keys.

Starts an embedded AWS, six provider stand-ins and the router, uses the swapped clients as a program would,
then reads back from the tables what happened and checks that all of it agrees. Exit status 0 when it does.
"""

import argparse
import importlib
import signal
import sys

from ledger.store.connection import StoreError
from local.demo_print import Pages
from local.demo_stage import DemoFault, open_stage

EXAMPLES = """examples:
  scripts/demo                  a few seconds, exit status 0 when everything holds
  scripts/demo --keep           the same; then the router keeps running, to be played with, until Ctrl-C
  scripts/demo > demo.txt       without a terminal: the same text, without colours and spinners
"""

FAULTS = (DemoFault, RuntimeError, StoreError, OSError)
"""What ends the demo early: a part that does not start or does not answer, or an answer that is wrong."""


def main() -> int:
    """The exit status: 0 when everything holds, 1 when something does not, 130 when interrupted before that."""
    parse = argparse.ArgumentParser(
        "scripts/demo", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--keep", action="store_true", help="leave the router running until Ctrl-C")
    arguments = parse.parse_args()
    # What was started must be ended, also when somebody ends the demo.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(Pages(), keep=arguments.keep)
    except FAULTS as fault:
        print(f"scripts/demo: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(pages: Pages, *, keep: bool) -> None:
    """The whole demo; one of FAULTS when something does not hold, or cannot even be looked at."""
    pages.title()
    with open_stage(pages.progress, meanwhile=lambda: importlib.import_module("local.demo_play")) as stage:
        from local import demo_play  # noqa: PLC0415 - both SDKs take seconds; the first lines shall not wait

        demo_play.play(pages, stage)
        demo_play.onwards(pages)
        if keep:
            demo_play.keep(pages, stage)


if __name__ == "__main__":
    sys.exit(main())
