"""Both vendors' token counts as the same five numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.usage import MAX_TOKENS, Usage, from_anthropic, from_openai, from_responses, is_sound
from tests.ledger.make import USAGES

TOKENS = st.integers(0, MAX_TOKENS // 4)
ANYTHING = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.floats()


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_openai_input_includes_what_was_cached(fresh: int, read: int, written: int, output: int) -> None:
    """Fresh input is what is left; all of the prompt is billed once."""
    usage = from_openai(
        {
            "prompt_tokens": fresh + read + written,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        }
    )
    assert usage == Usage(fresh, read, written, 0, output)
    assert usage.prompt == fresh + read + written


@given(TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_responses_count_as_chat_does(fresh: int, read: int, written: int, output: int, reasoning: int) -> None:
    """The same counts under other names."""
    prompt, cached = fresh + read + written, {"cached_tokens": read, "cache_write_tokens": written}
    said = {
        "input_tokens": prompt,
        "input_tokens_details": cached,
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }
    chat = {
        "prompt_tokens": prompt,
        "prompt_tokens_details": cached,
        "completion_tokens": output,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    assert from_responses(said) == from_openai(chat) == Usage(fresh, read, written, 0, output, reasoning)
    assert is_sound(said)
    assert not is_sound({**said, "output_tokens": -1})


@given(TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_anthropic_input_excludes_what_was_cached(
    fresh: int, read: int, short: int, hour: int, output: int
) -> None:
    """The tiers of written tokens add up to what is said to be written."""
    usage = from_anthropic(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": short + hour,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
            "output_tokens": output,
        }
    )
    assert usage == Usage(fresh, read, short, hour, output)


def test_the_same_call_in_both_dialects() -> None:
    """1000 prompt with 800 cached is 200 input and 800 read."""
    openai = {"prompt_tokens": 1000, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 800}}
    anthropic = {"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 5}
    assert from_openai(openai) == from_anthropic(anthropic) == Usage(200, 800, output=5)


@pytest.mark.case("C10")
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_nonsense_counts_as_zero_and_never_below(a: object, b: object, c: object, d: object) -> None:
    """Negatives, booleans, text and missing numbers; more cached than asked is no negative input."""
    openai = {
        "prompt_tokens": a,
        "completion_tokens": b,
        "prompt_tokens_details": {"cached_tokens": c, "cache_write_tokens": d},
    }
    anthropic = {
        "input_tokens": a,
        "output_tokens": b,
        "cache_creation_input_tokens": c,
        "cache_creation": {"ephemeral_1h_input_tokens": d},
    }
    responses = {
        "input_tokens": a,
        "output_tokens": b,
        "input_tokens_details": {"cached_tokens": c, "cache_write_tokens": d},
    }
    read = [from_openai(openai), from_anthropic(anthropic), from_responses(responses)]
    for usage in (*read, from_openai({"prompt_tokens_details": a}), from_responses({"input_tokens_details": a})):
        assert all(type(n) is int and n >= 0 for n in (usage.input, usage.prompt, usage.output, usage.cache_write))
    is_whole = (type(a) is int or (isinstance(a, float) and a.is_integer())) and a < MAX_TOKENS
    assert from_openai(openai).prompt == (a if is_whole and a > 0 else 0)  # type: ignore[operator]


def test_a_count_beyond_all_sense_counts_as_zero() -> None:
    """A provider's mistake of that size must not keep a row out of the ledger; just below it is a count."""
    for most, counted in ((MAX_TOKENS - 1, MAX_TOKENS - 1), (MAX_TOKENS, 0)):
        assert from_openai({"completion_tokens": most}).output == counted
        assert from_anthropic({"output_tokens": most}).output == counted


@given(USAGES, USAGES)
def test_usage_adds_and_packs(one: Usage, other: Usage) -> None:
    """Packed without zeros and back is the same; a sum is the sum of each count."""
    assert Usage.unpack(one.pack()) == one
    assert 0 not in one.pack().values()
    assert (one + other).prompt == one.prompt + other.prompt
    assert one + other == other + one


@pytest.mark.case("C10")
@pytest.mark.parametrize(
    ("said", "tokens", "sound"),
    [
        (1000, 1000, True),
        (1000.0, 1000, True),
        ("1000", 1000, True),
        (0, 0, True),
        (None, 0, True),
        (-5, 0, False),
        (1e30, 0, False),
        ("many", 0, False),
        (True, 0, False),
        (0.5, 0, False),
        ([], 0, False),
    ],
)
def test_a_count_is_read_or_flagged(said: object, tokens: int, sound: bool) -> None:
    """What plainly means a count is one; what does not counts as 0, and the usage is flagged."""
    openai = {"prompt_tokens": said, "completion_tokens": 1}
    anthropic = {"input_tokens": said, "output_tokens": 1}
    assert (from_openai(openai).prompt, is_sound(openai)) == (tokens, sound)
    assert (from_anthropic(anthropic).prompt, is_sound(anthropic)) == (tokens, sound)
