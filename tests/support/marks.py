"""Marked data, and whether any of it lies somewhere in clear: as it stands, or in a coat that anybody takes off."""

from __future__ import annotations

import base64
import json
import quopri
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote


def spellings(mark: str) -> Iterator[str]:
    """A text, or a telephone number (`+33…`) in the ways in which it is written."""
    if not mark.startswith("+33"):
        yield from {mark, mark.lower(), mark.upper()}
        return
    national = mark[3:]
    pairs = [f"0{national[0]}", *(national[n : n + 2] for n in range(1, len(national), 2))]
    yield national  # in +33…, 0033…, 0…
    for between in " .-":
        yield between.join(pairs)
    yield " ".join([national[0], *pairs[1:]])


def disguises(mark: str) -> set[bytes]:
    """The bytes in which somebody who looks for the mark would find it."""
    found: set[bytes] = set()
    for text in spellings(mark):
        for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be"):
            raw = text.encode(encoding, errors="ignore")
            found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
            found |= set(_base64(raw))
        found |= {json.dumps(text)[1:-1].encode(), quote(text, safe="").encode(), quote(text).encode()}
        found.add(quopri.encodestring(text.encode()))
    for number in {text for text in spellings(mark) if text.isdigit()}:
        found.add(" ".join(number).encode())
        found.add(number[::-1].encode())
    return {coat for coat in found if len(coat) >= 6}


def _base64(raw: bytes) -> Iterator[bytes]:
    """As it looks wherever it begins in something longer: its first and last characters depend on its neighbours."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        inner = encoded[-(-before * 8 // 6) :].rstrip(b"=")
        inner = inner if (before + len(raw)) % 3 == 0 else inner[:-1]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def leaks(marks: Mapping[str, str], places: Iterable[Path]) -> list[str]:
    """`<name of the mark> in <file>` for each mark (by name) that lies in one of the files or directories."""
    coats = {name: disguises(mark) for name, mark in marks.items()}
    found: list[str] = []
    for file in sorted(_files(places)):
        content = bytes(str(file), "utf-8", "surrogateescape") + b"\n" + file.read_bytes()
        found += [f"{name} in {file}" for name, looks in coats.items() if any(coat in content for coat in looks)]
    return found


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
        else:
            yield place
