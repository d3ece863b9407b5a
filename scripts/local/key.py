"""An API key for a caller: made and printed once, stored as its digest; or revoked."""

import argparse
import asyncio
import os
import secrets
import sys
from dataclasses import replace

from ledger.items import ApiKey
from ledger.moments import DAY_MS, now_ms
from ledger.store.connection import StoreError
from ledger.store.opened import open_store
from ledger.store.views import VIEWS_TABLE
from route.request.auth import digest_of

EXAMPLES = """examples:
  scripts/key --caller alice --tenant acme --views-table warmroute-ViewsTable-1ABC
  scripts/key --caller ci --profile default --days 30 --views-table NAME
  scripts/key --revoke --views-table NAME < the-key.txt
  scripts/key --caller alice --dynamodb-url http://127.0.0.1:4566
"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parse = argparse.ArgumentParser(
        "scripts/key", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parse.add_argument
    what = parse.add_mutually_exclusive_group(required=True)
    what.add_argument("--caller", metavar="NAME", help="who will hold the key")
    what.add_argument("--revoke", action="store_true", help="revoke the key that comes on standard input")
    add("--tenant", metavar="NAME", help="what the caller belongs to (default: the caller's own name)")
    add("--profile", action="append", default=[], metavar="NAME", help="allow only this profile; repeat")
    add("--model", action="append", default=[], metavar="NAME", help="allow only this model or route; repeat")
    add("--days", type=float, metavar="N", help="until it expires (default: never)")
    add("--views-table", default=VIEWS_TABLE, metavar="NAME")
    add("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    add("--dynamodb-url", metavar="URL", help="an emulator's, instead of AWS")
    return parse


async def run(arguments: argparse.Namespace) -> str:
    """What to print. Raises StoreError, or ValueError for a key that is not there."""
    tables = ("", arguments.views_table)
    async with open_store(*tables, region=arguments.region, endpoint_url=arguments.dynamodb_url) as store:
        if arguments.revoke:
            known = await store.views.get_api_key(digest_of(sys.stdin.readline().strip()))
            if known is None:
                raise ValueError("no such key in this table")
            await store.views.put_api_key(replace(known, active=False))
            return f"revoked a key of {known.caller}; routers forget it within 30 s"
        for name in (arguments.caller, arguments.tenant or arguments.caller):
            if not name.strip() or not name.isprintable():
                raise ValueError(f"not a name: {name!r}")
        if arguments.days is not None and arguments.days <= 0:
            raise ValueError("--days must be more than 0")
        secret = f"sk-warmroute-{secrets.token_urlsafe(24)}"
        key = ApiKey(
            digest_of(secret),
            caller=arguments.caller,
            tenant=arguments.tenant or arguments.caller,
            profiles=tuple(arguments.profile),
            models=tuple(arguments.model),
            expires_at_ms=now_ms() + round(arguments.days * DAY_MS) if arguments.days else None,
        )
        await store.views.put_api_key(key)
        return secret


def main() -> int:
    """The exit status: 0, or 2 with the reason on standard error."""
    arguments = parser().parse_args()
    try:
        print(asyncio.run(run(arguments)))
    except (StoreError, ValueError) as error:
        print(f"scripts/key: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
