"""Facts, inferences and keys as items, without a table."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import keys
from ledger.ids import SHARDS, new_inference_id, shard_of
from ledger.items import Fact, Inference, InferenceState, pack_fact, pack_notes, unpack_fact
from ledger.outcomes import Ending
from ledger.store import records
from ledger.store.spill import spill, unspill
from ledger.views import derive
from tests.ledger.make import FACTS, NAME, NOW, ORIGIN, closed_with, fact, inference

PATH = st.text("ab/%2F", min_size=1, max_size=5)
PART = st.text("a#%23", max_size=6)


@given(FACTS)
def test_a_fact_as_an_item_and_back(one: Fact) -> None:
    """Every field, and nothing empty is stored."""
    assert records.item_fact(records.attempt_item(one)) == one
    assert not {None, ""} & {v for v in pack_fact(one).values() if not isinstance(v, dict)}


def test_what_is_seldom_said_costs_nothing_when_it_is_not() -> None:
    """A wait that a provider asked for, even of 0 ms, and what the tool-loop guard did: stored where they are."""
    plain = pack_fact(fact())
    assert not plain.keys() & {"retry_after_ms", "tool_loop"}
    told = pack_fact(fact(ok=False, retry_after_ms=0, origin=replace(ORIGIN, tool_loop="inject")))
    assert (told["retry_after_ms"], told["tool_loop"]) == (0, "inject")


def test_what_a_newer_writer_adds_is_passed_over() -> None:
    """An older reader understands the rest."""
    one = fact()
    packed = pack_fact(one) | {"mood": "good"}
    assert unpack_fact(one.inference_id, one.n, one.at, packed, pack_notes(one)) == one


def test_an_inference_as_an_item_and_back() -> None:
    """Open with the attempts that began and its place in the reaper's index; closed with one fact instead."""
    opened = inference(attempts=12)
    assert records.item_inference(records.inference_item(opened)) == opened
    assert records.inference_item(opened)["by_minute"].startswith(keys.OPEN_PREFIX)
    closed = closed_with(opened, fact(inference_id=opened.inference_id, n=12), Ending.FALLBACK, 200)
    assert records.item_inference(records.inference_item(closed)) == closed
    assert not {"origin", "started"} & records.inference_item(closed).keys()
    assert (closed.ending, closed.closed_at, closed.served) == (Ending.FALLBACK, NOW, 12)


@given(FACTS, st.sampled_from(Ending), st.none() | st.integers(200, 599))
def test_a_close_carries_its_fact_whole(one: Fact, ending: Ending, status: int | None) -> None:
    """Every field of the fact, its number included, comes back from the inference's own item."""
    closed = closed_with(Inference(one.inference_id, one.origin, b"x"), one, ending, status)
    assert records.item_inference(records.inference_item(closed)) == closed
    assert records.item_fact(records.inference_item(closed)) == closed.closing


@given(FACTS, st.sampled_from([InferenceState.OPEN, InferenceState.LOST]))
def test_what_is_spilled_comes_back(one: Fact, state: InferenceState) -> None:
    """As text and back: the rows are the same, plans and amounts included."""
    opened = replace(inference(attempts=2, plan=b"\x00\xff"), state=state)
    assert records.item_inference(unspill(spill(records.inference_item(opened)))) == opened
    assert records.item_fact(unspill(spill(records.attempt_item(one)))) == one


@given(st.tuples(PART, PART), st.tuples(PART, PART))
def test_session_keys_never_collide(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Caller and session stay apart, whatever they contain."""
    assert (keys.by_session(*one) == keys.by_session(*other)) == (one == other)
    assert keys.unescape(keys.escape(one[0])) == one[0]


@given(NAME, st.integers(1, 99))
def test_attempts_sort_by_their_number(name: str, n: int) -> None:
    """And their number comes back from the sort key, also of a fact that completes another one, right after it."""
    assert keys.attempt_number(keys.attempt_sk(n)) == n
    assert keys.attempt_sk(n) < keys.attempt_sk(n + 1) or n == 99
    late = keys.attempt_sk(n, completes=True)
    assert keys.attempt_number(late) == n
    assert keys.attempt_sk(n) < late
    assert late < keys.attempt_sk(n + 1) or n == 99
    assert keys.attempt_sk(n) < keys.INFERENCE_SK


@given(st.integers(0, 2**47), st.integers(0, 2**74 - 1))
def test_ids_are_version_7_and_sort_by_time(at: int, bits: int) -> None:
    """Version and variant as RFC 9562 has them; a later ms is a later id; every shard is one of 16."""
    one = new_inference_id(at, bits)
    assert (one[:4], len(one), one[16], one[20] in "89ab") == ("inf_", 36, "7", True)
    assert one < new_inference_id(at + 1, 0)
    assert 0 <= shard_of(one) < SHARDS


@example(("a", "b/c"), ("a/b", "c"))
@given(st.tuples(NAME | PATH, NAME | PATH), st.tuples(NAME | PATH, NAME | PATH))
def test_agents_of_different_tenants_are_different_scopes(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Tenant `a` with agent `b/c` and tenant `a/b` with agent `c` spend apart, whatever names contain."""
    name, another = (
        dict(keys.scopes(fact(origin=replace(fact().origin, tenant=tenant, agent=agent))))["agent"]
        for tenant, agent in (one, other)
    )
    assert (name == another) == (one == other)


@pytest.mark.parametrize("character", ["/", "%", "#", "x", "\N{GRINNING FACE}"])
def test_no_name_makes_a_key_too_long(character: str) -> None:
    """The longest agent that a caller may send, of what takes most room: a key has at most 1024 bytes."""
    origin = replace(ORIGIN, agent=256 * character)
    longer = replace(ORIGIN, agent=256 * character + "y")
    for place in derive([fact(origin=origin, served_by=256 * character)]):
        assert len(place[1].sk.encode()) <= 1024
    [one], [other] = (
        [sk for pk, sk in keys.spend_keys(fact(origin=o)) if pk.startswith("spend#agent#")]
        for o in (origin, longer)
    )
    assert one != other
    assert keys.fit("acme%23%25") == "acme%23%25"


def test_the_scopes_of_a_fact() -> None:
    """Agents belong to their tenant; without an agent there is no agent scope; a refusal has no provider."""
    assert keys.scopes(fact()) == [
        ("provider", "acme"),
        ("caller", "amy"),
        ("agent", "acme-inc/coder"),
        ("tenant", "acme-inc"),
        ("all", "all"),
    ]
    plain = fact(n=0, provider="", origin=replace(fact().origin, agent=""))
    assert [kind for kind, _ in keys.scopes(plain)] == ["caller", "tenant", "all"]
