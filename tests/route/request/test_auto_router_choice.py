"""Which rule decides, and what the rules of a file may say."""

import logging

import pytest
from pydantic import ValidationError

from ledger.items import ApiKey
from route.dialects.chat import CHAT
from route.errors import BadRequest, Forbidden, NotFound
from route.request.auto_router import Subject, UserMessage
from route.request.profile_choice import choose
from tests.route.build import Json, body, config, document, request
from tests.route.config.files import fault
from tests.route.request.auto_rules import IMAGE, NAMES, NOBODY, SAID, found, hit, routed, rule


def test_the_first_rule_that_matches_decides() -> None:
    """In the order of the file."""
    both = [rule({"has_tools": False}, "large", "first"), rule({"model_pattern": ".*"}, "coding", "second")]
    assert request(body(profile="auto"), config=routed(*both)).choice.rule == "auto:first"
    assert request(body(profile="auto"), config=routed(*both[::-1])).choice.rule == "auto:second"
    never = rule({"has_tools": True}, "large", "first")
    assert request(body(profile="auto"), config=routed(never, both[1])).choice.name == "coding"


def test_where_no_rule_matches_the_router_s_default_counts_before_the_file_s() -> None:
    """`auto_router.default`, else `default_profile`; both are called `auto:default`."""
    never = rule({"has_tools": True})
    for default, name in (("writing", "writing"), (None, "default")):
        choice = request(body(profile="auto"), config=routed(never, default=default)).choice
        assert (choice.name, choice.rule) == (name, "auto:default")


WAYS: dict[str, tuple[Json, Json, Json]] = {
    "body": (body(profile="auto"), {}, {}),
    "header": (body(), {"x-warmroute-profile": "auto"}, {}),
    "mode": (body(), {"x-warmroute-mode": "smart"}, {"mode_aliases": {"smart": "auto"}}),
    "alias": (body(model="gpt-4o"), {}, {"aliases": {"gpt-4o": "auto"}}),
    "model": (body(model="auto"), {}, {"unknown_model": "reject"}),
    "default": (body(), {}, {"default_profile": "auto"}),
}


@pytest.mark.parametrize(("asked", "headers", "more"), WAYS.values(), ids=WAYS.keys())
@pytest.mark.case("C4")
def test_each_way_to_name_a_profile_can_say_auto(asked: Json, headers: Json, more: Json) -> None:
    """Body, header, mode, alias, model, and the file's default."""
    choice = request(asked, headers, config=routed(rule({"has_tools": False}), default="writing", **more)).choice
    assert (choice.name, choice.rule, choice.pinned) == ("large", "auto:r", False)
    assert choice.is_default is ("default_profile" in more)


@pytest.mark.parametrize(("asked", "headers", "more"), WAYS.values(), ids=WAYS.keys())
def test_a_profile_that_is_called_auto_is_one(asked: Json, headers: Json, more: Json) -> None:
    """Who has made one of that name gets it, rules or none."""
    own = {"auto": {"routes": ["other/small"]}, "default": {"routes": ["acme/small"]}}
    choice = request(asked, headers, config=config(profiles=own, **more)).choice
    assert (choice.name, choice.profile.routes) == ("auto", ("other/small",))
    assert not choice.rule.startswith("auto")


FENCED = "```python\nprint(1)\n```"


@pytest.mark.parametrize(
    ("asked", "name", "said"),
    [
        (SAID[CHAT]([IMAGE[CHAT], {"type": "text", "text": FENCED}]), "multi", "auto:image"),
        (body(FENCED), "coding", "auto:code"),
        (body("Dear Sir or Madam"), "writing", "auto:writing"),
        (NOBODY, "writing", "auto:writing"),
    ],
)
def test_without_rules_the_bundled_ones_decide(asked: Json, name: str, said: str) -> None:
    """Image → `multi`, code → `coding`, all else → `writing`; `auto` may then be the file's default."""
    choice = request(asked, config=routed(default_profile="auto")).choice
    assert (choice.name, choice.rule) == (name, said)


@pytest.mark.parametrize("missing", ["multi", "coding", "writing"])
def test_a_bundled_rule_needs_its_profile(missing: str) -> None:
    """Without it the next one decides, and in the end the default."""
    profiles = {name: {"routes": ["acme/small"]} for name in NAMES if name != missing}
    asked = SAID[CHAT]([IMAGE[CHAT], {"type": "text", "text": FENCED}])
    found = [request({**a, "profile": "auto"}, config=config(profiles=profiles)).choice for a in (asked, body())]
    expected = {
        "multi": ["auto:code", "auto:writing"],
        "coding": ["auto:image", "auto:writing"],
        "writing": ["auto:image", "auto:default"],
    }
    assert [choice.rule for choice in found] == expected[missing]


def test_own_rules_replace_the_bundled_ones() -> None:
    """All of them: a file that has one rule has no others."""
    only = routed(rule({"has_tools": True}))
    assert request(body(FENCED, profile="auto"), config=only).choice.rule == "auto:default"


FAULTS: dict[str, tuple[Json, str]] = {
    "two matchers": (
        rule({"has_image": True, "has_tools": True}),
        "rules.0.match: Value error, must have exactly one",
    ),
    "none": (rule({}), "rules.0.match: Value error, must have exactly one"),
    "a null one": (rule({"has_image": None}), "rules.0.match: Value error, must have exactly one"),
    "unknown matcher": (rule({"has_video": True}), "rules.0.match.has_video: Extra inputs"),
    "unknown key": (rule({"has_image": True}) | {"prio": 1}, "rules.0.prio: Extra inputs"),
    "regex": (rule({"content_regex": "([unclosed"}), "rules.0.match.content_regex: "),
    "pattern": (rule({"model_pattern": "*"}), "rules.0.match.model_pattern: "),
    "words": (rule({"content_contains": ""}), "rules.0.match.content_contains: "),
    "no tokens": (rule({"content_token_count_min": 0}), "rules.0.match.content_token_count_min: "),
    "true tokens": (rule({"content_token_count_min": True}), "rules.0.match.content_token_count_min: "),
    "no code": (rule({"code_fence_ratio_min": 0}), "rules.0.match.code_fence_ratio_min: "),
    "too much code": (rule({"code_fence_ratio_min": 1.01}), "rules.0.match.code_fence_ratio_min: "),
    "image of 1": (rule({"has_image": 1}), "rules.0.match.has_image: "),
    "tools of yes": (rule({"has_tools": "yes"}), "rules.0.match.has_tools: "),
    "profile": (rule({"has_image": True}, "x"), "rules.0.profile: no profile 'x'"),
    "itself": (rule({"has_image": True}, "auto"), "rules.0.profile: no profile 'auto'"),
    "no id": ({"profile": "large", "match": {"has_tools": True}}, "rules.0.id: "),
    "an id of words": (rule({"has_image": True}, name="a b"), "rules.0.id: "),
}


@pytest.mark.parametrize(("bad", "said"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.case("C5")
def test_each_fault_of_a_rule_is_told_with_its_path(bad: Json, said: str) -> None:
    """Two matchers, none, unknown ones, what is no regular expression, names that lead nowhere."""
    assert f"auto_router.{said}" in fault(document(auto_router={"rules": [bad]}))


@pytest.mark.parametrize(
    "match", [{"content_token_count_min": 1}, {"code_fence_ratio_min": 1}, {"code_fence_ratio_min": 0.01}]
)
def test_what_a_matcher_may_just_be(match: Json) -> None:
    """The other side of the bounds."""
    assert routed(rule(match)).auto_router.rules[0].match.given == list(match)


def test_the_router_s_names_are_checked() -> None:
    """Ids that are there twice, a default that leads nowhere; the path counts the rules from 0."""
    twice = [rule({"has_image": True}), rule({"has_tools": True})]
    assert "auto_router.rules: 'r' is there twice" in fault(document(auto_router={"rules": twice}))
    third = [*(rule({"has_image": True}, name=n) for n in "ab"), rule({"has_tools": True}, "x", "c")]
    assert "auto_router.rules.2.profile: no profile 'x'" in fault(document(auto_router={"rules": third}))
    for name in ("x", "auto"):
        assert f"auto_router.default: no profile {name!r}" in fault(document(auto_router={"default": name}))
    assert "auto_router.defualt: Extra inputs" in fault(document(auto_router={"defualt": "large"}))


def test_auto_as_the_default_needs_to_end_somewhere() -> None:
    """Own rules may all miss, and so may the bundled ones without `writing`: `auto_router.default` is needed."""
    needed = "auto_router.default: needed where default_profile is 'auto'"
    assert needed in fault(document(default_profile="auto"))
    rules = [rule({"model_pattern": ".*"})]
    assert needed in fault(document(default_profile="auto", auto_router={"rules": rules}))
    assert config(default_profile="auto", auto_router={"default": "large"}).default_profile == "auto"
    assert routed(default_profile="auto").default_profile == "auto"


def test_what_was_chosen_is_logged_and_nothing_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """One event with the rule's id and the profile."""
    with caplog.at_level(logging.INFO, "warmroute.route"):
        request(body("swordfish", profile="auto"), config=routed(rule({"content_contains": "sword"})))
        request(body("swordfish", profile="large"), config=routed(rule({"content_contains": "sword"})))
    (record,) = caplog.records
    assert (record.message, vars(record)["rule"], vars(record)["profile"]) == (
        "auto-router-resolved",
        "r",
        "large",
    )
    assert "sword" not in repr(vars(record))


def test_a_key_that_is_bound_to_profiles_needs_the_one_that_is_chosen() -> None:
    """Or `auto` itself, and then what the rules choose, but by no other way."""
    chosen = routed(rule({"has_tools": False}))
    for profiles in (("large",), ("auto",)):
        key = ApiKey("d" * 64, "amy", "acme-inc", profiles=profiles)
        assert request(body(profile="auto"), key=key, config=chosen).choice.name == "large"
    with pytest.raises(Forbidden):
        request(body(profile="large"), key=key, config=chosen)
    with pytest.raises(Forbidden):
        request(body(profile="auto"), key=ApiKey("d" * 64, "amy", "acme-inc", profiles=("coding",)), config=chosen)


def test_the_message_is_only_read_where_a_rule_needs_it() -> None:
    """A rule on the request that decides costs no reading."""

    def message() -> UserMessage | None:
        raise AssertionError

    by_request = routed(rule({"has_tools": False}), rule({"has_image": True}, name="s"))
    assert found(by_request, Subject(message=message)).rule == "auto:r"
    with pytest.raises(AssertionError):
        found(by_request, Subject(has_tools=True, message=message))


def test_a_request_for_which_nothing_can_be_read_is_routed_all_the_same() -> None:
    """A call that is passed through has no message and no tools of ours."""
    assert choose({}, {}, "auto", routed(rule({"model_pattern": "auto"}))).rule == "auto:r"
    assert choose({}, {}, "", routed(default_profile="auto")).rule == "auto:writing"


def test_auto_does_not_make_names_known() -> None:
    """A typo of it is one, and lists it among the rest."""
    with pytest.raises(BadRequest, match=r"Known: auto, coding, default, large, multi, writing\."):
        request(body(profile="Auto"), config=routed())
    with pytest.raises(NotFound):
        request(body(model="Auto"), config=routed(unknown_model="reject"))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(a|aa)+$", "a" * 60 + "!"), (r"\s+$", " " * 65_000 + "x"), ("(x+x+)+y", "x" * 5_000)],
)
def test_a_pattern_that_takes_for_ever_matches_nothing(
    pattern: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is given up after 50 ms and said to the operator; nothing of the text is in the log."""
    assert not hit({"content_regex": pattern}, body(text))
    events = [record.message for record in caplog.records]
    assert "auto-router-pattern-slow" in events or pattern == "(x+x+)+y", "the engine knows how to stop that one"
    assert text[:20] not in caplog.text


def test_an_empty_pattern_is_a_mistake() -> None:
    """It would match everything, which nobody needs a pattern for."""
    for name in ("content_regex", "model_pattern"):
        with pytest.raises(ValidationError, match=f"auto_router.rules.0.match.{name}"):
            hit({name: ""}, body())


def test_a_default_of_one_s_own_is_before_the_bundled_one() -> None:
    """Bundled rules say what images and code are; all else goes where the file says, not to `writing`."""
    profiles = {name: {"routes": ["acme/small"]} for name in ("writing", "multi", "mine")}
    for default, chosen in ((None, "auto:writing"), ("mine", "auto:default")):
        limits = config(profiles=profiles, default_profile="mine", auto_router={"default": default})
        assert request(body(model="auto"), config=limits).choice.rule == chosen


def test_a_pattern_sees_the_beginning_of_a_text() -> None:
    """64 k characters: what stands behind them is not looked for, however quick the pattern."""
    assert hit({"content_regex": "needle"}, body("x" * 65_530 + "needle"))
    assert not hit({"content_regex": "needle"}, body("x" * 65_531 + "needle"))
