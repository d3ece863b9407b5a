"""Reading that loses nothing in silence: what nobody takes is reported, whatever it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route.dialects.fields import MAX_NAME, MAX_NAMES, Fields, Report

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_what_is_taken_is_not_reported_and_all_else_is() -> None:
    """Each name that is still there in the end is dropped, by its path; null is as good as absent."""
    report = Report()
    fields = Fields({"a": 1, "b": 2, "c": None}, report)
    assert fields.take("a") == 1
    assert report.dropped == ("b",)


def test_nested_objects_report_with_their_path() -> None:
    """Inside objects and lists too, without indexes, so that a thousand messages are one name."""
    report = Report()
    fields = Fields({"m": [{"x": 1, "y": 1}, {"x": 1, "y": 2}], "o": {"z": 1}}, report)
    for item in fields.objects("m"):
        item.take("x")
    fields.object("o")
    assert report.dropped == ("m[].y", "o.z")


def test_a_value_of_another_type_stays_and_is_reported() -> None:
    """A number where a text should be is not taken for one, nor lost; what should be objects is refused."""
    report = Report()
    fields = Fields({"name": 7, "list": "x", "items": [1, {"a": 1}]}, report)
    assert (fields.text("name"), fields.objects("list"), fields.take("list", list)) == ("", [], None)
    assert len(fields.objects("items")) == 1
    assert (report.dropped, report.refused) == (("items[].a", "name"), ("items[]", "list"))


@pytest.mark.parametrize("value", [True, 10**400, -(2**63) - 1])
@pytest.mark.parametrize("kind", [int, float, (int, float)])
def test_what_is_no_usable_number_is_not_taken(kind: Any, value: object) -> None:
    """JSON's `true` would be read as 1, and no arithmetic is safe with a number of 400 digits."""
    report = Report()
    assert Fields({"n": value}, report).take("n", kind) is None
    assert report.dropped == ("n",)


def test_what_is_refused_is_not_dropped_too() -> None:
    """One path has one fate."""
    report = Report()
    Fields({"n": 2}, report)
    report.refuse("n")
    assert (report.refused, report.dropped) == (("n",), ())


def test_a_report_has_an_end() -> None:
    """A hostile body with a thousand long names makes a report of a bounded size."""
    report = Report()
    Fields({f"{i}" + "x" * 1000: 1 for i in range(1000)}, report)
    assert len(report.dropped) == MAX_NAMES
    assert all(len(name) <= MAX_NAME for name in report.dropped)


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=8), st.data())
def test_taken_and_reported_together_are_everything(document: dict[str, Any], data: st.DataObject) -> None:
    """For any object and any choice of names taken, each name is taken, null, or reported."""
    report = Report()
    fields = Fields(document, report)
    taken = data.draw(st.sets(st.sampled_from(sorted(document)))) if document else set()
    for name in taken:
        fields.take(name)
    expected = {name for name, value in document.items() if value is not None} - taken
    assert set(report.dropped) == {name[:MAX_NAME] for name in expected}
