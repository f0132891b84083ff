"""Callers' numbers, encrypted as the PBX's dialplan does."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from service.keys import CallerKeyRing

KEY = "LabKey0123456789"


def _aes(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 as Asterisk's func_aes does
    return encryptor.update(data) + encryptor.finalize()


def token(number: str, *, key: str = KEY, key_id: str = "k1", nonce: str = "fa060f40fb706005") -> str:
    """As the dialplan makes it: AES_ENCRYPT pads with NUL and gives base64, 16 characters of it are the call's key."""
    call_key = base64.b64encode(_aes(key.encode(), nonce.encode()))[:16]
    padded = number.encode().ljust(-(-len(number) // 16) * 16, b"\0")
    return f"{key_id}.{nonce}.{base64.b64encode(_aes(call_key, padded)).decode()}"


def ring(*keys: tuple[str, str]) -> CallerKeyRing:
    """`keys`: id and key."""
    made = CallerKeyRing()
    for key_id, key in keys:
        made.add(key_id, key)
    return made
