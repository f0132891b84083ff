"""What a directory in the cache must contain, so that a damaged one is noticed before Asterisk runs from it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

NAME = ".manifest.json"


def write(root: Path, hashed: Sequence[str]) -> None:
    """Record the size of every file, the target of every link, and the SHA-256 of those that fit `hashed` (globs)."""
    record = {
        "entries": dict(_entries(root)),
        "hashes": {str(path.relative_to(root)): _hash(path) for path in _matching(root, hashed)},
    }
    (root / NAME).write_text(json.dumps(record))


def damage(root: Path) -> str | None:
    """What is wrong with the directory, in a few words; None when it is as it was recorded."""
    try:
        record = json.loads((root / NAME).read_bytes())
        expected, hashes = dict(record["entries"]), dict(record["hashes"])
    except (OSError, ValueError, KeyError, TypeError):
        return "its manifest is missing or unreadable"
    found = dict(_entries(root))
    for name, what in expected.items():
        if found.get(name) != what:
            return f"{name} is {'missing' if name not in found else 'changed'}"
    for name, digest in hashes.items():
        if _hash(root / name) != digest:
            return f"{name} is changed"
    return None


def _entries(root: Path) -> Iterator[tuple[str, int | str]]:
    """Files with their size, links with their target. What is not readable to all is not ours to look at."""
    for folder, folders, files in os.walk(root):
        for name in (*files, *folders):
            path = Path(folder, name)
            if path.is_symlink():
                yield str(path.relative_to(root)), str(path.readlink())
            elif name in files and name != NAME:
                yield str(path.relative_to(root)), path.lstat().st_size


def _matching(root: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path for path in sorted(root.glob(pattern)) if path.is_file() and not path.is_symlink())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
