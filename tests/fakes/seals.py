"""What only its issuer can have written: signatures of thinking blocks, encrypted reasoning.

Both hold the text itself, as the vendors' do, so that a block whose text was left out still stands for it. A
seal is a function of the text and the signer's name, so it outlives a restart and needs no memory.
"""

from __future__ import annotations

import base64
import binascii
import hashlib


def seal(signer: str, text: str) -> str:
    """A text that only the signer can have sealed. That nobody else can read it is make-believe."""
    return base64.b64encode(_mac(signer, text) + text.encode()).decode()


def unseal(signer: str, sealed: object) -> str | None:
    """The text that ``seal`` was given; None when another signer sealed it, or nobody did."""
    try:
        raw = base64.b64decode(str(sealed), validate=True)
        text = raw[32:].decode()
    except (binascii.Error, ValueError):
        return None
    return text if raw[:32] == _mac(signer, text) else None


def _mac(signer: str, text: str) -> bytes:
    return hashlib.sha256(f"{signer}\x1f{text}".encode()).digest()
