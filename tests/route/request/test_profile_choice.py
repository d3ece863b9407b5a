"""Which chain a request goes to, by what it names and in which order."""

import logging

import pytest

from ledger.items import ApiKey
from route.errors import BadRequest, Forbidden, NotFound
from route.request.parse import (
    MAX_LABEL,
)
from route.request.profile_choice import ProfileChoice
from tests.route.build import Json, body, config, request
from tests.route.request.asking import CHOICES, chosen

HEADER = {"x-warmroute-profile": "large"}


MODE = {"x-warmroute-mode": "claude"}


@pytest.mark.parametrize(
    ("choice", "name", "rule"),
    [
        (chosen("gpt-4o", HEADER, profile="messages"), "messages", "body_profile"),
        (chosen("gpt-4o", HEADER), "large", "header_profile"),
        (chosen("gpt-4o", HEADER | MODE), "large", "header_profile"),
        (chosen("gpt-4o", MODE), "messages", "header_mode"),
        (chosen("acme/small", MODE, profile="default"), "default", "body_profile"),
        (chosen("gpt-4o"), "large", "alias"),
        (chosen("large"), "default", "alias"),
        (chosen("messages"), "messages", "model"),
        (chosen("who knows"), "default", "default"),
        (chosen(""), "default", "default"),
        (chosen("gpt-4o", HEADER, profile=None), "large", "header_profile"),
    ],
)
@pytest.mark.case("C4")
def test_the_order_of_choosing(choice: ProfileChoice, name: str, rule: str) -> None:
    """Body profile > header > mode > alias > a model that names a profile > the default."""
    assert (choice.name, choice.rule) == (name, rule)
    assert choice.is_default is (rule == "default")
    assert choice.profile == CHOICES.profiles[name]
    assert not choice.pinned


@pytest.mark.parametrize(
    ("model", "routes", "rule", "pinned"),
    [
        ("other/small", ("other/small",), "pinned", True),
        ("fast", ("other/small",), "alias", True),
        ("small", ("acme/small", "other/small", "anna/small"), "model", False),
    ],
)
@pytest.mark.case("C4", "A5", "A6")
def test_a_route_is_pinned_and_a_model_has_all_its_routes(
    model: str, routes: tuple[str, ...], rule: str, pinned: bool
) -> None:
    """`provider/model` is that route alone; an alias to one is pinned too, and the rule says `alias`."""
    choice = chosen(model)
    assert (choice.name, choice.profile.routes, choice.rule, choice.pinned) == ("", routes, rule, pinned)


@pytest.mark.parametrize(
    "asked", [{"profile": "nowhere"}, {"profile": ""}, {"profile": 7}, {"profile": ["large"]}]
)
@pytest.mark.case("C4")
def test_an_unknown_profile_lists_the_known(asked: Json) -> None:
    """Never a silent default for somebody who said what they want."""
    with pytest.raises(BadRequest, match=r"Known: auto, default, large, messages\.") as caught:
        chosen("small", **asked)
    assert caught.value.code == "unknown_profile"
    with pytest.raises(BadRequest, match=r"Known: auto, default, large, messages\."):
        chosen("small", {"x-warmroute-profile": "nowhere"})


@pytest.mark.parametrize("mode", ["slow", "", "large"])
@pytest.mark.case("C4")
def test_an_unknown_mode_lists_the_known(mode: str) -> None:
    """A profile's name is none; where there are no modes it says so."""
    with pytest.raises(BadRequest, match=r"Known: claude, deep\.") as caught:
        chosen("small", {"x-warmroute-mode": mode})
    assert caught.value.code == "unknown_mode"
    with pytest.raises(BadRequest, match=r"Known: none\."):
        chosen("small", {"x-warmroute-mode": mode}, config=config())


def test_a_long_name_is_not_repeated_whole() -> None:
    """An error is no echo."""
    with pytest.raises(BadRequest) as profile:
        chosen(profile="x" * 10_000)
    with pytest.raises(BadRequest) as mode:
        chosen("", {"x-warmroute-mode": "x" * 10_000})
    with pytest.raises(NotFound) as model:
        chosen("x" * 10_000, config=config(unknown_model="reject"))
    assert max(len(error.value.message) for error in (profile, mode, model)) < 2 * MAX_LABEL


@pytest.mark.parametrize("model", ["gpt-4o-mini", "", "acme/nothing", "acme/"])
@pytest.mark.case("C4")
def test_an_unknown_model_can_be_rejected(model: str) -> None:
    """With `reject` it is 404 `model_not_found`; what is configured is served all the same."""
    rejecting = config(unknown_model="reject")
    with pytest.raises(NotFound) as caught:
        chosen(model, config=rejecting)
    assert caught.value.code == "model_not_found"
    assert chosen("small", config=rejecting).rule == "model"


@pytest.mark.case("A6")
def test_each_alias_hit_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One event with both names; a model that is no alias leaves none."""
    with caplog.at_level(logging.INFO, "warmroute.route"):
        chosen("gpt-4o")
        chosen("small")
    assert [(r.message, vars(r)["alias"], vars(r)["target"]) for r in caplog.records] == [
        ("alias-resolved", "gpt-4o", "large")
    ]


def test_a_key_may_be_bound_to_profiles() -> None:
    """Another profile is 403, a model that goes around profiles too."""
    bound = ApiKey("d" * 64, "amy", "acme-inc", profiles=("large",))
    assert request(body(profile="large"), key=bound).choice.name == "large"
    for asked in (body(profile="messages"), body(), body(model="acme/large"), body(model="small")):
        with pytest.raises(Forbidden) as caught:
            request(asked, key=bound)
        assert caught.value.code == "profile_not_allowed"


def test_a_refused_profile_is_named_as_it_was_asked_for() -> None:
    """A pinned route, a model and an alias have no profile: then by the model, and never by an empty name."""
    bound = ApiKey("d" * 64, "amy", "acme-inc", profiles=("large",))
    aliased = config(aliases={"gpt-4o": "acme/large"})
    cases = [(body(profile="messages"), "messages"), (body(), "default"), (body(model="gpt-4o"), "gpt-4o")]
    cases += [(body(model=name), name) for name in ("acme/large", "small")]
    for asked, name in cases:
        with pytest.raises(Forbidden, match=f"may not use '{name}', only the profiles large") as caught:
            request(asked, key=bound, config=aliased)
        assert len(str(caught.value)) < 100
