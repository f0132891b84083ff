"""Ciphertext, and the data keys that make it."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
#: First byte of a text: nonce and AES-256-GCM under a key that the place knows follow.
TEXT: Final = b"\x01"


class KeysError(Exception):
    """A key is missing, damaged, or not the one that sealed this. `id` is stable; the message says what to do."""

    def __init__(self, error_id: str, message: str) -> None:
        super().__init__(message)
        self.id = error_id


class Sealed(bytes):
    """Ciphertext made here. Columns for personal data take nothing else."""


class DataKey:
    """A key for texts. Never printed."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise KeysError("key-damaged", "A key has the wrong length: restore the secrets directory from its backup.")
        self._cipher = AESGCM(raw)

    def __repr__(self) -> str:
        return "DataKey(…)"

    def seal(self, text: str, context: str) -> Sealed:
        """Encrypt. `context`: what the text is, such as `contact:12:notes`; needed again to open it."""
        return self.seal_bytes(text.encode(), context)

    def open(self, sealed: Sealed, context: str) -> str:
        """Decrypt. KeysError when key or context are not those it was sealed with."""
        return self.open_bytes(sealed, context).decode()

    def seal_bytes(self, clear: bytes, context: str) -> Sealed:
        """The same for keys, which are no text."""
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(TEXT + nonce + self._cipher.encrypt(nonce, clear, context.encode()))

    def open_bytes(self, sealed: bytes, context: str) -> bytes:
        """The same for keys, which are no text."""
        if sealed[:1] != TEXT:
            raise KeysError("sealed-unreadable", "An encrypted value has an unknown form: is the service too old?")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, context.encode())
        except (InvalidTag, ValueError):
            raise KeysError(
                "sealed-unreadable", "An encrypted value does not open: restore the master key that belongs to it."
            ) from None


def derive(master: bytes, purpose: str) -> bytes:
    """A key for one purpose out of a master key (HKDF, RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=f"ecoute {purpose}".encode()).derive(
        master
    )
