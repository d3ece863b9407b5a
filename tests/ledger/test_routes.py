"""The route key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.routes import RouteKey, parse_route_key, route_key
from tests.ledger.make import fact

PART = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text("|%7C25", max_size=8)


@pytest.mark.case("U5")
def test_a_missing_part_is_the_empty_string() -> None:
    """`p|m|`, never `p|m|None`, also from a fact that knows no backend."""
    assert route_key("p", "m") == "p|m|"
    assert route_key("p", "m", None) == "p|m|"
    assert route_key(None, None, None) == "||"
    assert fact(provider="p", model="m").route == "p|m|"


@pytest.mark.case("U5")
def test_parts_that_contain_the_separator_are_escaped() -> None:
    """Both characters of the escape, in every part."""
    assert route_key("a|b", "c%d", "%7C") == "a%7Cb|c%25d|%257C"


@pytest.mark.case("U5")
@given(st.tuples(PART, PART, PART), st.tuples(PART, PART, PART))
def test_keys_never_collide(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Two routes have the same key only when all their parts are the same."""
    assert (route_key(*one) == route_key(*other)) == (one == other)


@given(PART, PART, PART)
def test_a_key_gives_its_parts_back(provider: str, model: str, served_by: str) -> None:
    """`parse_route_key` is the inverse, whatever the ids contain."""
    assert parse_route_key(route_key(provider, model, served_by)) == RouteKey(provider, model, served_by)


@pytest.mark.parametrize("text", ["", "a", "a|b", "a|b|c|d"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """Another number of parts than three."""
    with pytest.raises(ValueError, match="not a route key"):
        parse_route_key(text)
