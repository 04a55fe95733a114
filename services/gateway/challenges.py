"""Logging in by a signature: the gateway gives a random text once, the client signs it with its
private key together with the name of the host that it means to talk to.

What is signed is worth nothing anywhere else: not on another connection, not a second time, not
after five seconds, and not at the true gateway when a false one asked for it.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

VALID_NS = 5_000_000_000
VALID_MS = VALID_NS // 1_000_000
SIGNATURE_BYTES = 64


class Challenges:
    """The texts given and not used yet, one a client.

    Args:
        seed: 32 random bytes that nobody else knows; the texts follow from it.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._given = 0
        self._open: dict[int, tuple[str, str, int]] = {}

    def make(self, client: int, key_id: str, now_ns: int) -> str:
        """A new text for this client, hex; the one before it is void."""
        self._given += 1
        what = f"{self._given}|{client}|{now_ns}".encode()
        nonce = hmac.digest(self._seed, what, hashlib.sha256).hex()
        self._open[client] = nonce, key_id, now_ns + VALID_NS
        return nonce

    def take(self, client: int, key_id: str, now_ns: int) -> str | None:
        """The text that this client was given for this key, once."""
        nonce, wanted, due_ns = self._open.pop(client, ("", "", 0))
        return nonce if nonce and wanted == key_id and now_ns < due_ns else None

    def forget(self, client: int) -> None:
        self._open.pop(client, None)


def signed_text(nonce: str, key_id: str, host: str) -> bytes:
    """What the client signs; host as in its handshake's Host header."""
    return f"{nonce}|{key_id}|{host}".encode()


def is_signed(public_key: str, signature: str, text: bytes) -> bool:
    """Whether the signature, hex, is the public key's over this text."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            bytes.fromhex(signature)[: SIGNATURE_BYTES + 1], text
        )
    except (ValueError, InvalidSignature):
        return False
    return True
