"""The caller's word on quality: the preference and the least quality, in body and headers."""

from typing import Any

import pytest

from route.errors import BadRequest
from route.request.preference import Preference
from tests.route.build import Json, body, request

DIAL = {"x-warmroute-preference": "cost"}


FLOOR = {"x-warmroute-min-quality": "0.7"}


@pytest.mark.parametrize(
    ("asked", "headers", "preference"),
    [
        ({}, {}, Preference("balanced", None)),
        ({"routing_hint": "quality"}, DIAL, Preference("quality")),
        ({"routing_hint": None}, DIAL, Preference("cost")),
        ({"routing_hint": "balanced"}, {}, Preference("balanced")),
        ({"min_quality": 0.9}, FLOOR | DIAL, Preference("cost", 0.9)),
        ({"min_quality": None}, FLOOR, Preference(min_quality=0.7)),
        ({"min_quality": 0}, {}, Preference(min_quality=0)),
        ({"min_quality": 1}, {}, Preference(min_quality=1)),
        ({}, {"x-warmroute-min-quality": "1"}, Preference(min_quality=1)),
        ({}, {"x-warmroute-min-quality": ".5"}, Preference(min_quality=0.5)),
        ({}, {"x-warmroute-min-quality": "5e-1"}, Preference(min_quality=0.5)),
    ],
)
@pytest.mark.case("A8")
def test_a_request_may_wish(asked: Json, headers: Json, preference: Preference) -> None:
    """Body > header, the dial and the floor each for itself; nothing said is `balanced`, without a floor."""
    assert request(body(**asked), headers).preference == preference


@pytest.mark.parametrize(
    "said", ["1" * 60_000 + "x", "." * 60_000, "0." + "0" * 31, "1" * 33, "1e" + "0" * 60_000]
)
def test_a_long_floor_is_none(said: str) -> None:
    """No number that anybody means has more than 32 characters, and none longer is looked into."""
    with pytest.raises(BadRequest) as caught:
        request(body(), {"x-warmroute-min-quality": said})
    assert caught.value.code == "invalid_min_quality"
    assert request(body(), {"x-warmroute-min-quality": "0." + "0" * 30}).preference.min_quality == 0


@pytest.mark.parametrize("hint", ["cheap", "", "Quality", 7, True, ["cost"], {}])
@pytest.mark.case("A8")
def test_an_unknown_preference_lists_the_known(hint: Any) -> None:
    """A typo is 400, from either place, and never `balanced`."""
    asked: list[tuple[Json, Json]] = [(body(routing_hint=hint), {})]
    asked += [(body(), {"x-warmroute-preference": hint})] if isinstance(hint, str) else []
    for asking, headers in asked:
        with pytest.raises(BadRequest, match=r"Known: balanced, cost, quality\.") as caught:
            request(asking, headers)
        assert (caught.value.status, caught.value.code) == (400, "unknown_preference")


NO_QUALITY = [-0.01, 1.01, True, False, "0.7", [0.7], {}, 10**400, float("nan")]


NO_HEADER = [
    "",
    "-0.1",
    "1.01",
    "nan",
    "inf",
    "true",
    "0_7",
    "½",
    "\u0660.\u0667",
    "high",
    "0.5 0.6",
    "1e999",
    "+0.5",
]


@pytest.mark.parametrize("said", NO_QUALITY, ids=lambda value: repr(value)[:12])
@pytest.mark.case("A8")
def test_what_is_no_quality_is_refused(said: Any) -> None:
    """A number from 0 to 1 and nothing else: a floor that is not understood would not hold."""
    with pytest.raises(BadRequest) as caught:
        request(body(min_quality=said), FLOOR)
    assert (caught.value.status, caught.value.code) == (400, "invalid_min_quality")


@pytest.mark.parametrize("said", NO_HEADER)
@pytest.mark.case("A8")
def test_what_is_no_quality_in_a_header_is_refused(said: str) -> None:
    """Digits with a point, as JSON or a shell writes them."""
    with pytest.raises(BadRequest) as caught:
        request(headers={"x-warmroute-min-quality": said})
    assert caught.value.code == "invalid_min_quality"
