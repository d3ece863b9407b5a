"""How many writes a request costs, counted where they arrive: at the store's edge."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import Fail
from tests.route.bad_store import BadStore, bad_store
from tests.route.house import House, build_house

HI = [{"role": "user", "content": "hi"}]
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
OPENING, ADDING, ATTEMPT, CLOSE = (
    "PutItem inference",
    "UpdateItem inference",
    "PutItem attempt",
    "UpdateItem inference",
)

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, {"model": "chat", "messages": HI}),
    "chat, across dialects": (CHAT, {"model": "messages", "messages": HI}),
    "responses": ("/v1/responses", {"model": "chat", "input": "hi"}),
    "messages": (MESSAGES, {"model": "messages", "messages": HI, "max_tokens": 9}),
    "messages, across dialects": (MESSAGES, {"model": "chat", "messages": HI, "max_tokens": 9}),
    "embeddings": ("/v1/embeddings", {"model": "chat", "input": "hi"}),
    "count_tokens": ("/v1/messages/count_tokens", {"model": "messages", "messages": HI}),
    "passed through": ("/v1/moderations", {"input": "hi"}),
}
STREAMED = ("chat", "chat, across dialects", "responses", "messages", "messages, across dialects")
CASES = [*((name, False) for name in REQUESTS), *((name, True) for name in STREAMED)]


class Counted:
    """A house whose writes to the ledger are counted, in the order in which the store gets them."""

    def __init__(self, house: House, store: BadStore) -> None:
        self.house = house
        self.writes: list[str] = []
        store.rule = self._see

    def _see(self, operation: str, payload: dict[str, Any]) -> str:
        if operation in ("PutItem", "UpdateItem") and payload["TableName"] == self.house.tables[0]:
            sk: str = (payload.get("Item") or payload["Key"])["sk"]["S"]
            self.writes.append(f"{operation} {sk.partition('#')[0]}")
        return "pass"


@pytest.fixture
def counted(dynamodb_url: str) -> Iterator[Counted]:
    with bad_store(dynamodb_url) as store, build_house(store.url) as house:
        yield Counted(house, store)


@pytest.mark.case("11.6")
@pytest.mark.parametrize("session", [{}, {"x_warmroute_session": "s"}], ids=["alone", "in a session"])
@pytest.mark.parametrize(
    ("name", "stream"), CASES, ids=lambda each: {True: "streamed", False: "unary"}.get(each, each)
)
def test_an_inference_with_one_attempt_is_two_writes(
    counted: Counted, name: str, stream: bool, session: dict[str, str]
) -> None:
    """An opening and a close, whatever the dialect and however it is answered; nothing else is ever written."""
    path, body = REQUESTS[name]
    response = counted.house.post(path, body | ({"stream": True} if stream else {}), **session)
    assert response.status_code in (200, 404), response.text  # a stand-in knows nothing of what is passed through
    assert counted.writes == [OPENING, CLOSE]


@pytest.mark.case("11.6")
def test_a_fallback_adds_two_writes(counted: Counted) -> None:
    """The second attempt's start, and the first one's row: the close carries the one that answered."""
    counted.house.providers["a"].default = Fail(500)
    assert counted.house.post(*REQUESTS["chat"]).status_code == 200
    assert sorted(counted.writes) == sorted([OPENING, ATTEMPT, ADDING, CLOSE])
    assert (counted.writes[0], counted.writes[-1]) == (OPENING, CLOSE)


@pytest.mark.case("11.6")
def test_a_refusal_is_one_write(counted: Counted) -> None:
    """Closed from the start; and what was never understood as a request is none."""
    path, body = REQUESTS["chat"]
    assert counted.house.post(path, body, x_warmroute_profile="nope").status_code == 400
    assert counted.writes == [OPENING]
    assert counted.house.post(path, b"{").status_code == 400
    assert counted.house.get("/v1/models").status_code == 200
    assert counted.writes == [OPENING]
