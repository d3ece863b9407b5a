"""The demo's course once everything runs: call, wait for the rollup, read back, print, check.

Imported late: it loads both vendors' SDKs.
"""

from local.demo_calls import SESSION
from local.demo_checks import check_all
from local.demo_facts import read_back
from local.demo_print import Pages
from local.demo_stage import DemoFault, Stage
from local.demo_story import tell
from local.demo_views import show_views


def play(pages: Pages, stage: Stage) -> None:
    """All chapters. DemoFault when an answer, a table or a sum is not what it should be."""
    with pages.progress("Calling it as a program would"):
        chapters = tell(stage)
    with pages.progress("Waiting for a rollup that has seen the last call"):
        told = read_back(stage, chapters)
    pages.swap()
    pages.cast()
    for number, chapter in enumerate(chapters, 1):
        pages.chapter(number, chapter, told)
    show_views(pages, told)
    pages.say("\n[bold]Do the books agree?[/]")
    checks = check_all(stage, chapters, told)
    for check in checks:
        pages.claim(check.holds, check.claim, check.figures)
    failed = [check.claim for check in checks if not check.holds]
    if failed:
        raise DemoFault(f"{len(failed)} of {len(checks)} checks do not hold: {'; '.join(failed)}")
    pages.say(f"\n[bold green]All {len(checks)} checks hold.[/]")


def onwards(pages: Pages) -> None:
    """From here to real keys and to AWS."""
    pages.say("\n[bold]Now with your own keys[/]")
    pages.copyable(
        "cp warmroute.example.yaml warmroute.yaml; export OPENAI_API_KEY=... ANTHROPIC_API_KEY=...; scripts/dev",
        "export WARMROUTE_URL=http://127.0.0.1:8787 WARMROUTE_API_KEY=...  # for your program; see scripts/dev",
        "scripts/deploy --config warmroute.yaml --region us-east-1         # the same into your AWS account",
    )


def keep(pages: Pages, stage: Stage) -> None:
    """Leaves everything running until Ctrl-C. DemoFault when the router ends by itself."""
    key = '-H "x-api-key: $WARMROUTE_API_KEY"'
    ask = f"curl -sN $WARMROUTE_URL/v1/chat/completions {key} -d"
    body = '"model": "chat", "messages": [{"role": "user", "content": "hello"}]'
    pages.say("\n[bold]The router keeps running.[/] Ctrl-C ends it, and what it has stored goes with it.")
    pages.copyable(
        f"export WARMROUTE_URL={stage.url} WARMROUTE_API_KEY={stage.key}",
        f"{ask} '{{{body}}}'",
        f"{ask} '{{{body}, \"stream\": true}}'",
        f"curl -s $WARMROUTE_URL/v1/session/{SESSION} {key}",
        f"curl -s $WARMROUTE_URL/v1/models {key}",
        f"less {stage.config}",
        f"tail -f {stage.log}",
    )
    try:
        stage.router.wait()
    except KeyboardInterrupt:
        pages.say()
        return
    raise DemoFault(f"the router ended with exit code {stage.router.returncode}")
