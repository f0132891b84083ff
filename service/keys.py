"""Every key, and everything that is encrypted or hashed with one.

One master key lies in a file outside the database (`<data dir>/secrets/master.key`, 0600). From it are derived: the key
that wraps data keys, the key for short secrets of the service, the key of the blind index, the key of the audit chain.
Each case has a data key of its own, wrapped: erasing the wrapped key erases the case in every backup.
All encryption is AES-256-GCM with a random nonce; `context` is bound to the text, so that it opens nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import string
import threading
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORM: Final = b"\x01"  # first byte of all ciphertext: nonce and AES-256-GCM follow


class KeysError(Exception):
    """A key is missing, damaged, or not the one that sealed this. `error_id` is stable; the message says what to do."""

    def __init__(self, error_id: str, message: str) -> None:
        super().__init__(message)
        self.id = error_id


class Sealed(bytes):
    """Ciphertext made here. Columns for personal data take nothing else."""


class DataKey:
    """A key for texts. Never printed."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _KEY_BYTES:
            raise KeysError("key-damaged", "A key has the wrong length: restore the secrets directory from its backup.")
        self._raw = raw
        self._cipher = AESGCM(raw)

    def __repr__(self) -> str:
        return "DataKey(…)"

    def seal(self, text: str, context: str) -> Sealed:
        """Encrypt. `context`: what the text is, such as `contact:12:notes`; needed again to open it."""
        return self._seal(text.encode(), context)

    def open(self, sealed: Sealed, context: str) -> str:
        """Decrypt. KeysError when key or context are not those it was sealed with."""
        return self._open(sealed, context).decode()

    def _seal(self, clear: bytes, context: str) -> Sealed:
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(_FORM + nonce + self._cipher.encrypt(nonce, clear, context.encode()))

    def _open(self, sealed: Sealed, context: str) -> bytes:
        if sealed[:1] != _FORM:
            raise KeysError("sealed-unreadable", "An encrypted value has an unknown form: is the service too old?")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, context.encode())
        except InvalidTag:
            raise KeysError(
                "sealed-unreadable", "An encrypted value does not open: restore the master key that belongs to it."
            ) from None


class Keyring:
    """The keys derived from the master key."""

    def __init__(self, master: bytes) -> None:
        if len(master) != _KEY_BYTES:
            raise KeysError("key-damaged", "The master key has the wrong length: restore it from its backup.")
        self._wrapping = DataKey(_derive(master, "data keys"))
        self._service = DataKey(_derive(master, "service secrets"))
        self._numbers = _derive(master, "blind index of numbers")
        self._attempts = _derive(master, "sign-in attempts")
        self._audit = _derive(master, "audit chain")
        #: tells whether a store belongs to this master key, and tells nothing about it
        self.fingerprint: str = _derive(master, "fingerprint").hex()

    def __repr__(self) -> str:
        return "Keyring(…)"

    def new_data_key(self) -> tuple[DataKey, Sealed]:
        """A new data key, and the same wrapped, to be stored."""
        raw = os.urandom(_KEY_BYTES)
        return DataKey(raw), self._wrapping._seal(raw, "data key")

    def unwrap(self, wrapped: Sealed) -> DataKey:
        """The data key of a case."""
        return DataKey(self._wrapping._open(wrapped, "data key"))

    def seal(self, text: str, context: str) -> Sealed:
        """Encrypt a short secret of the service itself (a phone's password, a caller key)."""
        return self._service.seal(text, context)

    def open(self, sealed: Sealed, context: str) -> str:
        """Decrypt a short secret of the service itself."""
        return self._service.open(sealed, context)

    def blind_index(self, number: str) -> str:
        """Keyed hash of an E.164 number, hexadecimal: equal for equal numbers, useless without the key."""
        return hmac.new(self._numbers, number.encode(), hashlib.sha256).hexdigest()

    def attempt_index(self, text: str) -> str:
        """Keyed hash of a username or network address, for counting failed sign-ins."""
        return hmac.new(self._attempts, text.encode(), hashlib.sha256).hexdigest()

    def audit_hash(self, previous: bytes, entry: bytes) -> bytes:
        """Link of the audit trail's chain: cannot be made anew by somebody who has the database alone."""
        return hmac.new(self._audit, previous + entry, hashlib.sha256).digest()


def load_keyring(data_dir: Path, *, create: bool = True) -> Keyring:
    """The keyring of `<data_dir>/secrets/master.key`; made, 0600, when it is not there and `create` is set.

    Safe when several processes start at once: one key wins. KeysError when others may read the file.
    """
    path = data_dir / "secrets" / "master.key"
    if create and not path.exists():
        _create_master(path)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeysError("master-key-missing", f"{path}: there is no master key; restore it from its backup.") from None
    if mode & 0o077:
        raise KeysError("master-key-exposed", f"{path}: others may read it; run: chmod 600 {path}")
    try:
        return Keyring(base64.b64decode(text, validate=False))
    except ValueError:
        raise KeysError("key-damaged", f"{path}: not a key; restore it from its backup.") from None


def _create_master(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    draft = path.with_name(f".master.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, never replaces a key that another process made meanwhile
        except FileExistsError:
            return
        _sync_directory(path.parent)
    finally:
        draft.unlink()


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _derive(master: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=f"ecoute {purpose}".encode()).derive(
        master
    )


# --- caller keys: what the PBX encrypts callers' numbers with ---------------------------------------------------------

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
