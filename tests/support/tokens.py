"""What the dialplan made of a caller's number, read again: as the service reads it, by code of the tests' own."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.asterisk.line import CALLER_KEY


def _decrypt(key: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305  what func_aes does
    return cipher.update(data) + cipher.finalize()


def number_in(token: str) -> str:
    """The other side of dialplan/guard.conf, written down once more."""
    key_id, nonce, ciphertext = token.split(".", 2)
    assert key_id == "k1"
    cipher = Cipher(algorithms.AES(CALLER_KEY.encode()), modes.ECB()).encryptor()  # noqa: S305  what func_aes does
    key = base64.b64encode(cipher.update(nonce.encode()) + cipher.finalize())[:16]
    return _decrypt(key, base64.b64decode(ciphertext)).rstrip(b"\0").decode()
