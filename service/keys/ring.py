"""The master keys that this process knows, and what they open.

Form of what a master key seals: byte 2, the key's id (4 bytes), a wrapped data key (60 bytes); a text under that data
key may follow. A rotation replaces the first 65 bytes and never needs the text. Before there was a rotation, byte 1 and
no id: such values open with the key that was the only one then.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from service.keys.sealing import KEY_BYTES, TEXT, DataKey, KeysError, Sealed, derive

_T = TypeVar("_T")

_WRAPPED: Final = b"\x02"
_ID_BYTES: Final = 4
#: form, id of the master key
HEAD_BYTES: Final = 1 + _ID_BYTES
_WRAPPED_BYTES: Final = HEAD_BYTES + 12 + KEY_BYTES + 16
_DATA_KEY: Final = "data key"

#: What the keys that hash are for, and what they were derived as before they were stored.
HASHING: Final[Mapping[str, str | None]] = {
    "numbers": "blind index of numbers",
    "names": None,
    "attempts": "sign-in attempts",
    "audit": "audit chain",
    "drafts": None,
    "sessions": None,
}


class MasterKey:
    """One master key. `fingerprint` says which it is, and tells nothing about it; `id` is its beginning."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise KeysError("key-damaged", "The master key has the wrong length: restore it from its backup.")
        self.fingerprint = derive(raw, "fingerprint").hex()
        self.id = key_id(self.fingerprint)
        self.wrapping = DataKey(derive(raw, "data keys"))
        self.old_service = DataKey(derive(raw, "service secrets"))  #: sealed short secrets before each had its own key
        self.old_hashing = {purpose: derive(raw, name) for purpose, name in HASHING.items() if name is not None}

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    @property
    def head(self) -> bytes:
        """With this begins whatever it seals."""
        return _WRAPPED + bytes.fromhex(self.id)

    def wrap(self, raw: bytes) -> Sealed:
        """A data key, sealed."""
        return Sealed(self.head + self.wrapping.seal_bytes(raw, _DATA_KEY)[1:])


class Keyring:
    """`master` seals; `others` only open. `again`: reads the key files again, for a key that came meanwhile.

    A keyring of the key files is locked until `service/store/secrets.py` gives it the store's keys that hash: with
    others nobody would be found and the audit trail would seem broken. Without a store, they are derived.
    """

    def __init__(
        self,
        master: bytes,
        *others: bytes,
        again: Callable[[], Iterable[bytes]] | None = None,
        place: Path | None = None,
        locked: bool = False,
    ) -> None:
        self._seals = MasterKey(master)
        self._masters = {key.id: key for key in (self._seals, *map(MasterKey, others))}
        self._again = again
        self._hashing: Mapping[str, bytes] | None = None
        if not locked:
            self._hashing = self._seals.old_hashing | {
                "names": derive(master, "blind index of names"),
                "drafts": derive(master, "drafts in browsers"),
                "sessions": derive(master, "tokens of sessions"),
            }
        #: the directory of the key files, for messages
        self.place = place or Path("secrets")

    def __repr__(self) -> str:
        return "Keyring(…)"

    # --- which master keys

    @property
    def fingerprint(self) -> str:
        """Of the master key that seals."""
        return self._seals.fingerprint

    @property
    def head(self) -> bytes:
        """With this begins whatever the master key that seals has sealed."""
        return self._seals.head

    @property
    def known(self) -> tuple[str, ...]:
        """Ids of the master keys here, the one that seals first."""
        return (self._seals.id, *sorted(self._masters.keys() - {self._seals.id}))

    def knows(self, fingerprint: str) -> bool:
        """Whether this master key is here, or has come meanwhile."""
        found = self._find(key_id(fingerprint))
        return found is not None and found.fingerprint == fingerprint

    def seal_with(self, fingerprint: str) -> None:
        """What is new is sealed with this one from now on."""
        if not self.knows(fingerprint):
            raise self._unknown(key_id(fingerprint))
        self._seals = self._masters[key_id(fingerprint)]

    # --- sealing

    def new_data_key(self) -> tuple[DataKey, Sealed]:
        """A new data key, and the same wrapped, to be stored."""
        raw = os.urandom(KEY_BYTES)
        return DataKey(raw), self._seals.wrap(raw)

    def unwrap(self, wrapped: Sealed) -> DataKey:
        """The data key of a case."""
        return DataKey(self._unwrap(wrapped))

    def seal(self, text: str, context: str) -> Sealed:
        """Encrypt a short secret of the service itself (a phone's password, a caller key), under a key of its own."""
        key, wrapped = self.new_data_key()
        return Sealed(wrapped + key.seal(text, context))

    def open(self, sealed: Sealed, context: str) -> str:
        """Decrypt a short secret of the service itself."""
        if sealed[:1] == TEXT:
            return self._try_all(lambda key: key.old_service.open(sealed, context))
        return DataKey(self._unwrap(sealed[:_WRAPPED_BYTES])).open(Sealed(sealed[_WRAPPED_BYTES:]), context)

    def rewrap(self, sealed: Sealed, old_context: str | None = None) -> Sealed:
        """The same under the master key that seals now. `old_context`: of a short secret, for one of the old form."""
        if sealed.startswith(self.head):
            return sealed
        if sealed[:1] == TEXT and old_context is not None:
            return self.seal(self.open(sealed, old_context), old_context)
        return Sealed(self._seals.wrap(self._unwrap(sealed[:_WRAPPED_BYTES])) + sealed[_WRAPPED_BYTES:])

    def _unwrap(self, wrapped: bytes) -> bytes:
        if wrapped[:1] == TEXT:
            return self._try_all(lambda key: key.wrapping.open_bytes(wrapped, _DATA_KEY))
        if wrapped[:1] != _WRAPPED:
            raise KeysError("sealed-unreadable", "An encrypted value has an unknown form: is the service too old?")
        wanted = wrapped[1:HEAD_BYTES].hex()
        key = self._find(wanted)
        if key is None:
            raise self._unknown(wanted)
        return key.wrapping.open_bytes(TEXT + wrapped[HEAD_BYTES:], _DATA_KEY)

    def _try_all(self, opened: Callable[[MasterKey], _T]) -> _T:
        """The old form does not say its key."""
        for key in self._masters.values():
            try:
                return opened(key)
            except KeysError as error:
                failed = error
        raise failed

    def _find(self, wanted: str) -> MasterKey | None:
        if wanted not in self._masters and self._again is not None:
            self._masters = self._masters | {key.id: key for key in map(MasterKey, self._again())}
        return self._masters.get(wanted)

    def _unknown(self, wanted: str) -> KeysError:
        return KeysError(
            "master-key-unknown",
            f"This was sealed with master key {wanted}, which is not here: put its file, from the machine or the "
            f"backup that has it, at {self.place / f'master-{wanted}.key'} (chmod 600).",
        )

    # --- hashing

    def new_hashing_key(self, purpose: str, *, as_derived: bool) -> Sealed:
        """A key that hashes, sealed, to be stored. `as_derived`: of a store that was made before keys were stored."""
        derived = self._seals.old_hashing.get(purpose) if as_derived else None
        return self._seals.wrap(derived or os.urandom(KEY_BYTES))

    def unlock(self, stored: Mapping[str, Sealed]) -> None:
        """Take the store's keys that hash, by purpose (all of `HASHING`)."""
        self._hashing = {purpose: self._unwrap(stored[purpose]) for purpose in HASHING}

    def blind_index(self, number: str) -> str:
        """Keyed hash of an E.164 number, hexadecimal: equal for equal numbers, useless without the key."""
        return self._hash("numbers", number.encode()).hex()

    def name_index(self, word: str) -> str:
        """Keyed hash of a word of a name (`service/cases/names.py` makes the words), hexadecimal."""
        return self._hash("names", word.encode()).hex()

    def attempt_index(self, text: str) -> str:
        """Keyed hash of a username or network address, for counting failed sign-ins."""
        return self._hash("attempts", text.encode()).hex()

    def audit_hash(self, previous: bytes, entry: bytes) -> bytes:
        """Link of the audit trail's chain: cannot be made anew by somebody who has the database alone."""
        return self._hash("audit", previous + entry)

    def drafts_half(self, account_id: int) -> bytes:
        """The half of the key of an account's drafts in browsers; the other half never leaves the browser."""
        return self._hash("drafts", str(account_id).encode())

    def next_token(self, session_id: int, token: str) -> bytes:
        """What follows a session's token: the same however often it is asked for, and known only with the key."""
        return self._hash("sessions", f"{session_id}:{token}".encode())

    def _hash(self, purpose: str, text: bytes) -> bytes:
        if self._hashing is None:
            raise KeysError("keys-locked", "The store's keys were not loaded yet: this is a fault of the service.")
        return hmac.digest(self._hashing[purpose], text, hashlib.sha256)


def key_id(fingerprint: str) -> str:
    """The short name of a master key: 8 hexadecimal digits."""
    return fingerprint[: 2 * _ID_BYTES]


def sealed_by(head: bytes) -> str | None:
    """Id of the master key, of the first bytes of a value; None: the old form, which does not say."""
    return head[1:HEAD_BYTES].hex() if head[:1] == _WRAPPED else None
