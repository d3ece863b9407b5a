"""Partition, sort and index keys. Deterministic: the same fact always has the same key."""

from hashlib import sha256

from ledger.ids import SHARDS, shard_of
from ledger.items import Fact
from ledger.moments import day_of, hour_of, minute_of, month_of

INFERENCE_SK = "inference"
OPEN_PREFIX = "open#"
LATE_SUFFIX = "#late"

_NAME_BYTES = 900
"""A sort key has at most 1024 bytes. What a caller names may be longer: it must not make an item unwritable."""


def escape(part: str) -> str:
    """A part of a `#`-joined key. Parts that differ stay different."""
    return part.replace("%", "%25").replace("#", "%23")


def unescape(part: str) -> str:
    return part.replace("%23", "#").replace("%25", "%")


def fit(part: str) -> str:
    """An escaped part that is not too long for a sort key. Longer ones are cut; a digest keeps them apart."""
    data = part.encode()
    if len(data) <= _NAME_BYTES:
        return part
    # No escaped part holds "%~", so no shorter part can look like this one.
    return f"{data[:_NAME_BYTES].decode(errors='ignore')}%~{sha256(data).hexdigest()[:32]}"


def attempt_sk(n: int, *, completes: bool = False) -> str:
    """`attempt#01`. A fact that completes another one of the same attempt stands beside it: `attempt#01#late`."""
    return f"attempt#{n:02d}" + (LATE_SUFFIX if completes else "")


def attempt_number(sk: str) -> int:
    """The number in an attempt's sort key."""
    return int(sk.split("#")[1])


def open_minute(inference_id: str, at_ms: int) -> str:
    """`by_minute` while an inference is open: what the reaper reads."""
    return f"{OPEN_PREFIX}{minute_of(at_ms)}#{shard_of(inference_id):02d}"


def fact_minute(inference_id: str, at_ms: int) -> str:
    """`by_minute` of a fact: what the rollup reads."""
    return f"{minute_of(at_ms)}#{shard_of(inference_id):02d}"


def shards(minute_key: str) -> list[str]:
    """Every partition of a minute, given its name with or without the `open#` prefix."""
    return [f"{minute_key}#{shard:02d}" for shard in range(SHARDS)]


def by_session(caller: str, session: str) -> str:
    """A session belongs to its caller: the same id from another caller is another session."""
    return f"{escape(caller)}#{escape(session)}"


def session_pk(caller: str, session: str) -> str:
    """The view of one session; its sort keys are days."""
    return f"session#{by_session(caller, session)}"


def api_key_pk(digest: str) -> str:
    return f"key#{digest}"


def probe_pk(route: str) -> str:
    """Who may try a route that has rested."""
    return f"probe#{route}"


def spend_pk(scope_kind: str, month: str) -> str:
    """All spend of one kind of scope in one month: `spend#provider#2026-11`."""
    return f"spend#{scope_kind}#{month}"


def spend_sk(name: str, day: str) -> str:
    """One scope's day: `acme#2026-11-20`. A month is the sum of its days, so it is not stored."""
    return f"{fit(escape(name))}#{day}"


def scopes(fact: Fact) -> list[tuple[str, str]]:
    """The budget scopes that a fact's cost falls in: (kind, name)."""
    origin = fact.origin
    named = [
        ("provider", fact.provider),
        ("caller", origin.caller),
        ("agent", agent_scope(origin.tenant, origin.agent) if origin.agent else ""),
        ("tenant", origin.tenant),
    ]
    return [*((kind, name) for kind, name in named if name), ("all", "all")]


def agent_scope(tenant: str, agent: str) -> str:
    """An agent's name among those of all tenants: `acme-inc/coder`."""
    return f"{_in_path(tenant)}/{_in_path(agent)}"


def _in_path(part: str) -> str:
    """A part of a `/`-joined name: tenant `a` with agent `b/c` is not tenant `a/b` with agent `c`."""
    return part.replace("%", "%25").replace("/", "%2F")


def spend_keys(fact: Fact) -> list[tuple[str, str]]:
    month, day = month_of(fact.at), day_of(fact.at)
    return [(spend_pk(kind, month), spend_sk(name, day)) for kind, name in scopes(fact)]


def activity_pk(scope_kind: str, name: str) -> str:
    """One tenant's or agent's hours: `activity#tenant#acme-inc`; its sort keys are hours. Names as in `scopes`."""
    return f"activity#{scope_kind}#{fit(escape(name))}"


def activity_pk_beside(spend_pk: str, spend_sk: str) -> str | None:
    """The activity of the scope that a spend item is about; None where none is kept."""
    scope_kind, name = spend_pk.split("#")[1], spend_sk.rpartition("#")[0]
    return f"activity#{scope_kind}#{name}" if scope_kind in ACTIVITY_KINDS else None


def activity_keys(fact: Fact) -> list[tuple[str, str]]:
    hour = hour_of(fact.at)
    return [(activity_pk(kind, name), hour) for kind, name in scopes(fact) if kind in ACTIVITY_KINDS]


ACTIVITY_KINDS = ("tenant", "agent")
"""The kinds of scopes whose activity is kept."""
