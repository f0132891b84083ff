"""Every key, and everything that is encrypted or hashed with one.

Master keys lie in files outside the database (`<data dir>/secrets/master.key`, 0600; `files.py`). One of them seals
what is new; others open what is older, until a rotation has sealed that anew (`service/store/rotation.py`).

    master key ─wraps─▶ a data key per case           ─seals─▶ notes, numbers, names of the case
               ─wraps─▶ a data key per short secret   ─seals─▶ that secret (a phone's password, a caller key)
               ─wraps─▶ the keys that hash            ─make──▶ blind indexes, audit chain, tokens, counts of attempts

So a rotation wraps keys anew and touches no text. Erasing a case's wrapped key erases the case from the database; a
backup from before has it until that backup, or every copy of the master key that opens it, is destroyed (docs/keys.md).
All encryption is AES-256-GCM with a random nonce; `context` is bound to the text, so that it opens nowhere else.
"""

from service.keys.callers import NO_NUMBER, CallerKeyRing, new_caller_key
from service.keys.files import load_keyring
from service.keys.ring import HASHING, Keyring
from service.keys.sealing import DataKey, KeysError, Sealed

__all__ = [
    "HASHING",
    "NO_NUMBER",
    "CallerKeyRing",
    "DataKey",
    "Keyring",
    "KeysError",
    "Sealed",
    "load_keyring",
    "new_caller_key",
]
