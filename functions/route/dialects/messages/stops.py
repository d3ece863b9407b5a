"""The reasons why a model stopped, in Anthropic's words."""

from route.dialects.neutral import Stop

_WORDS = {
    Stop.END: "end_turn",
    Stop.LENGTH: "max_tokens",
    Stop.STOP_SEQUENCE: "stop_sequence",
    Stop.TOOL_CALLS: "tool_use",
    Stop.REFUSAL: "refusal",
    Stop.PAUSE: "pause_turn",
    Stop.CONTEXT_FULL: "model_context_window_exceeded",
}
_STOPS = {word: stop for stop, word in _WORDS.items()}


def read(word: str) -> Stop | str:
    """The neutral stop for a word of Anthropic's; an unknown word stays as it is."""
    return _STOPS.get(word, word)


def write(stop: Stop | str) -> str:
    """Anthropic's word for a neutral stop; an unknown word stays as it is."""
    return _WORDS[stop] if isinstance(stop, Stop) else stop
