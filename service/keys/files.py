"""The master keys' files: `<data dir>/secrets/master.key`, and `master-<id>.key` while a rotation is under way.

All 0600 in a directory of 0700; written whole, on the disk before anybody reads them, and never replaced by accident.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from service.keys.ring import Keyring, MasterKey
from service.keys.sealing import KEY_BYTES, KeysError

_MAIN: Final = "master.key"
_DRAFT: Final = ".master."
_RETIRED: Final = "retired"
#: drafts older than this belong to a process that was killed
_DRAFT_SECONDS: Final = 60.0


def place_of(data_dir: Path) -> Path:
    """Where the key files of a data directory lie."""
    return data_dir / "secrets"


def load_keyring(data_dir: Path, *, create: bool = True) -> Keyring:
    """The keyring of `<data_dir>/secrets`, locked; a master key is made when none is there and `create` is set.

    Safe when several processes start at once: one key wins. KeysError when others may read a file, or it is no key.
    """
    place = place_of(data_dir)
    path = place / _MAIN
    if create and not path.exists():
        _write(path, os.urandom(KEY_BYTES))
    if not path.exists():
        raise KeysError("master-key-missing", f"{path}: there is no master key; restore it from its backup.")
    return Keyring(*_read_all(place), again=lambda: _read_all(place), place=place, locked=True)


def new_master_key(data_dir: Path) -> str:
    """A further master key, beside the one in use; its fingerprint. It seals nothing yet."""
    place = place_of(data_dir)
    _sweep(place)
    raw = os.urandom(KEY_BYTES)
    made = MasterKey(raw)
    _write(place / f"master-{made.id}.key", raw)
    return made.fingerprint


def retire_all_but(data_dir: Path, in_use: str) -> list[Path]:
    """Only the key with this fingerprint stays in use, as `master.key`; where the others lie now.

    May be killed at any instant and called again: at none of them is a key missing that was there.
    """
    place = place_of(data_dir)
    away = place / _RETIRED
    keys = {path: MasterKey(_read(path)) for path in _paths(place)}
    if in_use not in {key.fingerprint for key in keys.values()}:
        raise KeysError("master-key-missing", f"{place}: the master key that is in use is not there.")
    moved: list[Path] = []
    for path, key in keys.items():
        if key.fingerprint == in_use:
            continue
        away.mkdir(mode=0o700, exist_ok=True)
        target = away / f"master-{key.id}.key"
        if not target.exists():
            os.link(path, target)
        _sync_directory(away)
        moved.append(target)
    for path, key in keys.items():
        if key.fingerprint == in_use and path.name != _MAIN:
            path.replace(place / _MAIN)
        elif key.fingerprint != in_use and path.name != _MAIN:
            path.unlink()
    _sync_directory(place)
    _sweep(place)
    return moved


@contextmanager
def only_rotation(data_dir: Path) -> Iterator[None]:
    """One rotation at a time on this machine. KeysError where another one runs."""
    with (place_of(data_dir) / "rotation.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise KeysError("rotation-runs", "Another rotation runs on this machine: let it finish.") from None
        yield


def _paths(place: Path) -> list[Path]:
    """`master.key` first."""
    return [place / _MAIN, *sorted(place.glob("master-*.key"))]


def _read_all(place: Path) -> list[bytes]:
    """A further key that vanishes meanwhile is one that was just retired, or became the main one."""
    keys = [_read(place / _MAIN)]
    for path in _paths(place)[1:]:
        with suppress(FileNotFoundError):
            keys.append(_read(path))
    return keys


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
        raw = base64.b64decode(text, validate=False)
    except PermissionError:
        raise KeysError("master-key-denied", f"{path}: it is another user's; run as its owner, or chown it.") from None
    except ValueError:
        raise KeysError("key-damaged", f"{path}: not a key; restore it from its backup.") from None
    if mode & 0o077:
        raise KeysError("master-key-exposed", f"{path}: others may read it; run: chmod 600 {path}")
    if len(raw) != KEY_BYTES:
        raise KeysError("key-damaged", f"{path}: not a key; restore it from its backup.")
    return raw


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    draft = path.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(raw) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, never replaces a key that another process made meanwhile
        except FileExistsError:
            return
        _sync_directory(path.parent)
    finally:
        draft.unlink()


def _sweep(place: Path) -> None:
    """A draft may be another name of a key: a retired one must not live on in it."""
    for draft in place.glob(f"{_DRAFT}*"):
        if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
            draft.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
