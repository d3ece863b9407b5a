"""Reasoning in chat completions: plain text under either of two names, and `reasoning_details` with seals:

    {"type": "reasoning.text", "text", "signature", "format": "anthropic-claude-v1", "index"}
    {"type": "reasoning.encrypted", "data", "format": "anthropic-claude-v1" | "openai-responses-v1", "index"}

The details are OpenRouter's. Pieces of one block have one index, in one list and over the deltas of a stream.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from route.dialects.base import Document
from route.dialects.fields import Fields
from route.dialects.neutral import Thinking

ANTHROPIC = "anthropic-claude-v1"
OPENAI = "openai-responses-v1"
DETAILS = ("reasoning_details", "thinking_blocks")
"""Fields that hold lists of pieces: OpenRouter's, and LiteLLM's, whose entries are Anthropic's blocks."""
PLAIN = ("reasoning_content", "reasoning")
_OURS_TO_CARRY = {ANTHROPIC: "redacted", OPENAI: "encrypted", "azure-openai-responses-v1": "encrypted"}


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """A piece of a block of reasoning. `index`: its block, if given. `is_foreign`: its seal is not carried."""

    text: str = ""
    signature: str = ""
    redacted: str = ""
    encrypted: str = ""
    index: int | None = None
    is_foreign: bool = False

    @property
    def is_sealed(self) -> bool:
        return bool(self.signature or self.redacted or self.encrypted)

    def joins(self, last: "ReasoningPiece") -> bool:
        """Whether this piece continues the block of the piece before it."""
        if last.is_sealed or self.redacted:
            return False
        return bool(self.encrypted) or self.index == last.index or None in (self.index, last.index)


def piece_of(entry: Fields) -> ReasoningPiece | None:
    """An entry of such a list as a piece; None for an unknown kind."""
    read = _READ.get(entry.text("type"))
    if read is None:
        return None
    index = entry.take("index", int)
    entry.ignore("id", "index")
    return replace(read(entry), index=index)


def _text(entry: Fields) -> ReasoningPiece:
    form, signature = entry.text("format"), entry.text("signature")
    is_foreign = bool(signature) and form not in ("", "unknown", ANTHROPIC)
    return ReasoningPiece(
        text=entry.text("text"), signature="" if is_foreign else signature, is_foreign=is_foreign
    )


def _summary(entry: Fields) -> ReasoningPiece:
    entry.ignore("format")
    return ReasoningPiece(text=entry.text("summary"))


def _encrypted(entry: Fields) -> ReasoningPiece:
    form, data = entry.text("format") or ANTHROPIC, entry.text("data")
    if form not in _OURS_TO_CARRY:
        return ReasoningPiece(is_foreign=True)
    return ReasoningPiece(redacted=data) if _OURS_TO_CARRY[form] == "redacted" else ReasoningPiece(encrypted=data)


_READ: Mapping[str, Callable[[Fields], ReasoningPiece]] = {
    "reasoning.text": _text,
    "reasoning.summary": _summary,
    "reasoning.encrypted": _encrypted,
    "thinking": lambda entry: ReasoningPiece(text=entry.text("thinking"), signature=entry.text("signature")),
    "redacted_thinking": lambda entry: ReasoningPiece(redacted=entry.text("data")),
}


def read_thinking(message: Fields) -> list[Thinking]:
    """The reasoning in a message of the history. A seal that cannot be sent back to its provider is refused."""
    plain = [message.text(name) for name in PLAIN]
    lists = [(message.at(f"{name}[]"), message.objects(name)) for name in DETAILS]
    at, entries = next(((at, entries) for at, entries in lists if entries), (message.at(PLAIN[0]), []))
    pieces = [piece_of(entry) for entry in entries]
    if any(piece is None or piece.is_foreign for piece in pieces):
        message.report.refuse(at)
    blocks = _joined(piece for piece in pieces if piece is not None)
    said = plain[0] or plain[1]
    if said and not any(block.text for block in blocks):
        blocks = _with_text(blocks, said)
    return [
        Thinking(
            text=block.text,
            signature=block.signature,
            redacted=block.redacted,
            encrypted=block.encrypted,
            at=at,
        )
        for block in blocks
    ]


def _with_text(blocks: list[ReasoningPiece], said: str) -> list[ReasoningPiece]:
    """The blocks with a text that stood outside of the list; it belongs to the first block that may have text."""
    if blocks and not blocks[0].redacted:
        return [replace(blocks[0], text=said), *blocks[1:]]
    return [ReasoningPiece(text=said), *blocks]


def _joined(pieces: Iterable[ReasoningPiece]) -> list[ReasoningPiece]:
    blocks: list[ReasoningPiece] = []
    for piece in pieces:
        if not blocks or not piece.joins(blocks[-1]):
            blocks.append(piece)
            continue
        last = blocks[-1]
        blocks[-1] = replace(
            last,
            text=last.text + piece.text,
            signature=piece.signature,
            encrypted=piece.encrypted,
        )
    return [block for block in blocks if block.text or block.is_sealed]


def text_detail(index: int, text: str) -> Document:
    return {"type": "reasoning.text", "text": text, "index": index}


def signature_detail(index: int, signature: str) -> Document:
    """An entry with the signature of a text; clients join it with the text of the same index."""
    return {"type": "reasoning.text", "signature": signature, "format": ANTHROPIC, "index": index}


def sealed_detail(index: int, *, redacted: str = "", encrypted: str = "") -> Document:
    form = ANTHROPIC if redacted else OPENAI
    return {"type": "reasoning.encrypted", "data": redacted or encrypted, "format": form, "index": index}


def details_of(thoughts: Iterable[Thinking]) -> list[Document]:
    """The list of details that `read_thinking` reads back as this reasoning."""
    details: list[Document] = []
    for thought in thoughts:
        if thought.signature:
            details.append(
                text_detail(len(details), thought.text) | signature_detail(len(details), thought.signature)
            )
        elif thought.text:
            details.append(text_detail(len(details), thought.text))
        if thought.redacted:
            details.append(sealed_detail(len(details), redacted=thought.redacted))
        if thought.encrypted:
            details.append(sealed_detail(len(details), encrypted=thought.encrypted))
    return details
