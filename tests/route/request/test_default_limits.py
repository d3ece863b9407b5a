"""The limits of a request that names a route itself."""

import pytest

from route.config.file import Config
from tests.route.build import body, config, document, request
from tests.route.request.asking import chosen


def test_the_default_chain_is_the_config_s() -> None:
    """Another default profile is another chain."""
    other = Config.model_validate(document(default_profile="large"))
    assert chosen(config=other).profile.routes == ("acme/large",)


@pytest.mark.parametrize("name", ["acme/small", "small"])
def test_who_names_a_route_is_held_to_the_default_limits(name: str) -> None:
    """Caps, guards, deadlines and the ledger's mode; not to what chooses among routes, since it has chosen."""
    default = {
        "routes": ["other/small"],
        "order": "cheapest",
        "quality_floor": 0.7,
        "latency_slo_ms": 9,
        "adaptive": True,
        "request_cap_usd": 1,
        "tool_loop": "break",
        "ledger": "strict",
    }
    limits = config(profiles={"default": default})
    profile = request(body(model=name), config=limits).choice.profile
    told = profile.model_dump(mode="json")
    assert (told["request_cap_usd"], told["tool_loop"]["action"], told["ledger"]) == ("1", "break", "strict")
    chosen = [told[name] for name in ("order", "quality_floor", "latency_slo_ms", "adaptive")]
    assert chosen == ["static", None, None, False]
    assert "acme/small" in profile.routes
    auto = config(profiles={"p": default}, default_profile="auto", auto_router={"default": "p"})
    assert request(body(model=name), config=auto).choice.profile.ledger == "strict"
    bundled = config(profiles={"writing": default}, default_profile="auto")
    assert request(body(model=name), config=bundled).choice.profile.ledger == "strict"
