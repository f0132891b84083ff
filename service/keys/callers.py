"""Caller keys: what the PBX encrypts callers' numbers with."""

from __future__ import annotations

import base64
import secrets
import string
import threading
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_CALLER_KEY_CHARACTERS: Final = string.ascii_letters + string.digits
_CALLER_KEY_LENGTH: Final = 16  # func_aes takes 16 characters, used as AES-128 key
_BLOCK: Final = 16
#: What the dialplan writes where there is no number to open.
NO_NUMBER: Final = frozenset({"withheld", "none", "nokey", ""})


def new_caller_key() -> tuple[str, str]:
    """A new key for the PBX: (id, 16 characters). The id may be stored in clear; the key is sealed."""
    key = "".join(secrets.choice(_CALLER_KEY_CHARACTERS) for _ in range(_CALLER_KEY_LENGTH))
    return f"k{secrets.token_hex(6)}", key


class CallerKeyRing:
    """All caller keys, past ones too: a token made while the service was away must open later.

    Filled by `service/store/secrets.py`; may be read from any thread.
    """

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"CallerKeyRing({len(self._keys)} keys)"

    def add(self, key_id: str, key: str) -> None:
        with self._lock:
            self._keys[key_id] = key.encode("ascii")

    def open_token(self, token: str) -> str | None:
        """The caller's number as the trunk delivered it (0-9 and +); None: withheld, none, or not to be opened.

        `token`: `keyid.nonce.ciphertext`. Per-call key: first 16 base64 characters of AES(key, nonce). The PBX gets key
        and id by two writes, so that another key than the named one is tried as well.
        """
        parts = token.split(".", 2)
        if token in NO_NUMBER or len(parts) != 3:
            return None
        key_id, nonce, body = parts
        with self._lock:
            named = self._keys.get(key_id)
            others = [key for other, key in reversed(self._keys.items()) if other != key_id]
        for key in ([named] if named else []) + others:
            number = _open_number(key, nonce, body)
            if number is not None:
                return number
        return None


def _open_number(key: bytes, nonce: str, body: str) -> str | None:
    try:
        ciphertext = base64.b64decode(body, validate=True)
        nonce_bytes = nonce.encode("ascii")
    except ValueError:
        return None
    if len(nonce_bytes) != _BLOCK or not ciphertext or len(ciphertext) % _BLOCK:
        return None
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 as Asterisk's func_aes does
    call_key = base64.b64encode(encryptor.update(nonce_bytes) + encryptor.finalize())[:_BLOCK]
    decryptor = Cipher(algorithms.AES(call_key), modes.ECB()).decryptor()  # noqa: S305 the key is new per call
    clear = (decryptor.update(ciphertext) + decryptor.finalize()).rstrip(b"\0")
    digits = clear[1:] if clear[:1] == b"+" else clear
    return clear.decode("ascii") if digits.isdigit() and len(digits) <= 32 else None
