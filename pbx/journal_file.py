"""A file that Asterisk writes line by line, read by position through rotations, truncation and damage.

What is in a line is the matter of `journal` and `queue_log`. What could not be used is told as a `Fault`: where and
why, never what, because any line may hold personal data.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, Literal, cast

#: Asterisk's own lines have at most some 2,000 bytes.
LINE_CAP: Final = 64 * 1024
#: Where the first whole line of a file is looked for.
_HEAD: Final = 64 * 1024
_FIRST_LOOK: Final = 1024
#: What a rotation may have packed the file with, by the end of its name.
_PACKED: Final = frozenset({".gz", ".xz"})
_UNPACKABLE: Final = (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read: `offset` in the file that begins with the instant `began`.

    `began`: microseconds since the epoch of its first line, which stays through renaming, copying and packing, and
    differs where a new file got an old `inode`. 0: not known (no line yet, or an older version's position); then the
    inode says which file it is.
    """

    inode: int = 0
    offset: int = 0
    began: int = 0


class FaultKind(StrEnum):
    """Why something in a log could not be used. The values are stable ids."""

    NOT_TEXT = "not-text"  # no UTF-8
    NOT_JSON = "not-json"
    OTHER_SHAPE = "another-shape"  # JSON, or fields, but not what Asterisk writes here
    OTHER_PBX = "another-pbx"  # a line of an Asterisk with another name
    NO_INSTANT = "no-instant"  # its time is no time
    NO_STEP = "not-a-step"  # a step or a ring, with words that the dialplan does not write
    NULS = "nul-bytes"  # what a power cut leaves; what follows them in the line is read
    HALF = "half-line"  # its end is missing; what follows it in the line is read
    TOO_LONG = "too-long"
    FILE_GONE = "file-gone"  # the file in which we read is not there any more: what was unread of it is lost
    UNPACKABLE = "unpackable"  # a packed file that is damaged: its rest is lost


@dataclass(frozen=True, slots=True)
class Fault:
    """`file`: its name without the folder. `offset`: where it begins, in the file as it was before it was packed."""

    file: str
    offset: int
    kind: FaultKind


Note = Callable[[Fault], None]


def ignore(_fault: Fault) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class Line:
    """Without its end, and without what was damaged before it. `file`, `offset`: of its beginning."""

    file: str
    offset: int
    data: bytes

    def fault(self, kind: FaultKind) -> Fault:
        """Something is wrong with it."""
        return Fault(self.file, self.offset, kind)


@dataclass(frozen=True, slots=True)
class KeptLog:
    """`path`: where Asterisk writes now. `instant`: finds the time in a line: group 1 seconds, group 2 a fraction."""

    path: Path
    instant: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    inode: int
    size: int  #: of the file as it lies there
    began: int

    @property
    def packed(self) -> bool:
        return self.path.suffix in _PACKED

    def holds(self, place: Position) -> bool:
        """`place` is in this file, or in what it was before its rotation."""
        if not self.packed and self.size < place.offset:
            return False
        return self.began == place.began if place.began else self.inode == place.inode

    def open(self) -> IO[bytes]:
        return _packed(self.path, "rb") if self.packed else self.path.open("rb")


def _packed(path: Path, mode: Literal["rb", "wb"]) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, mode))
    return cast("IO[bytes]", lzma.open(path, mode))


# --- reading ----------------------------------------------------------------------------------------------------------


def read(log: KeptLog, position: Position, limit_bytes: int, note: Note = ignore) -> tuple[list[Line], Position]:
    """The lines written since `position`, from at most `limit_bytes` (but one whole line at least), in their order.

    Call it again until the position stays. A file that was rotated away is read to its end first, and then every one
    that came after it, when they still lie beside the log under names that begin with its own. Read for the first
    time, a log is what lies there now. No file yet: no lines. Raises OSError.
    """
    current = _look(log, log.path)
    if current is not None and current.inode == position.inode and current.holds(position):
        return _read_file(current, position.offset, limit_bytes, note, finished=False)
    rotated = _rotated(log)
    here = _find([*rotated, current] if current else rotated, position)
    if here is not None:
        lines, after = _read_file(here, position.offset, limit_bytes, note, finished=here != current)
        if here == current or after.offset > position.offset:
            return lines, after
    began = here.began if here is not None else position.began
    following = next((file for file in rotated if began and file.began > began), current)
    if following is None or not following.began:
        return [], position  # a file is known by its first line: who stands in one without would not find it again
    if here is None and position != Position():
        note(Fault(log.path.name, position.offset, FaultKind.FILE_GONE))
    return _read_file(following, 0, limit_bytes, note, finished=following != current)


def end(log: KeptLog) -> Position | None:
    """The end of the last whole line that is there now; None while there is none. Raises OSError."""
    current = _look(log, log.path)
    if current is None:
        return None
    with current.open() as file:
        offset = current.size
        while offset > 0:
            start = max(0, offset - 4096)
            file.seek(start)
            found = file.read(offset - start).rfind(b"\n")
            if found >= 0:
                return Position(current.inode, start + found + 1, current.began)
            offset = start
    return None


def _read_file(file: _File, start: int, limit_bytes: int, note: Note, *, finished: bool) -> tuple[list[Line], Position]:
    """`finished`: nothing is written into it any more, so that a last line without its end stays without."""
    name = file.path.name
    try:
        with file.open() as opened:
            lines, offset = _bite(opened, name, start, limit_bytes, note)
            if finished and offset == start:
                opened.seek(start)
                if rest := opened.read(LINE_CAP):
                    note(Fault(name, start, FaultKind.HALF if rest.strip(b"\0\r\n ") else FaultKind.NULS))
                    offset += len(rest)
    except _UNPACKABLE:
        note(Fault(name, start, FaultKind.UNPACKABLE))
        lines, offset = [], start
    return lines, Position(file.inode, offset, file.began)


def _bite(file: IO[bytes], name: str, start: int, limit_bytes: int, note: Note) -> tuple[list[Line], int]:
    """The whole lines from `start` on, and where they end. What is longer than any line is skipped, not kept."""
    file.seek(start)
    data = file.read(limit_bytes)
    if b"\n" not in data and len(data) < LINE_CAP:
        data += file.readline(LINE_CAP - len(data))
    end = data.rfind(b"\n") + 1
    if end:
        return _lines(name, start, data[:end], note), start + end
    if len(data) < LINE_CAP:
        return [], start  # not whole yet
    if not data.strip(b"\0"):
        note(Fault(name, start, FaultKind.NULS))
        return [], start + _skipped(file, data, nuls=True)
    note(Fault(name, start, FaultKind.TOO_LONG))
    return [], start + _skipped(file, data, nuls=False)


def _skipped(file: IO[bytes], data: bytes, *, nuls: bool) -> int:
    """How many bytes belong to what began with `data`: all NULs, or all up to a line's end."""
    skipped = len(data)
    while block := file.read(LINE_CAP):
        rest = block.lstrip(b"\0") if nuls else block[block.find(b"\n") + 1 :] if b"\n" in block else b""
        skipped += len(block) - len(rest)
        if rest or (not nuls and b"\n" in block):
            break
    return skipped


def _lines(name: str, start: int, data: bytes, note: Note) -> list[Line]:
    lines: list[Line] = []
    for raw in data.split(b"\n")[:-1]:
        line = Line(name, start, raw.strip(b"\r \t"))
        start += len(raw) + 1
        if b"\0" in raw:
            note(line.fault(FaultKind.NULS))
            line = Line(name, line.offset, line.data.rpartition(b"\0")[2])
        if len(line.data) > LINE_CAP:
            note(line.fault(FaultKind.TOO_LONG))
        elif line.data:
            lines.append(line)
    return lines


# --- which file is it? ------------------------------------------------------------------------------------------------


def files(log: KeptLog) -> list[_File]:
    """What lies there: rotated files by their beginnings, the one that is written now last."""
    current = _look(log, log.path)
    return [*_rotated(log), *([current] if current else [])]


def _find(found: Sequence[_File], place: Position) -> _File | None:
    """The file of `place`; of several copies the one with its inode, then the one that is not packed."""
    holding = [file for file in found if file.holds(place)]
    return min(holding, key=lambda file: (file.inode != place.inode, file.packed), default=None)


def _rotated(log: KeptLog) -> list[_File]:
    """By their beginnings, oldest first. A clock that was set back over a rotation may hide a file."""
    path = log.path
    if not path.parent.is_dir():
        return []
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name != path.name and entry.name.startswith(path.stem)]
    found = (_look(log, path.parent / name) for name in names)
    return sorted((file for file in found if file is not None), key=lambda file: (file.began, file.packed))


def _look(log: KeptLog, path: Path) -> _File | None:
    """None where there is none. A packed file that cannot be read has no beginning."""
    try:
        status = path.stat()
        file = _File(path, status.st_ino, status.st_size, 0)
        with file.open() as opened:
            head = opened.read(_FIRST_LOOK)
            found = log.instant.search(head)
            if found is None and len(head) == _FIRST_LOOK:
                found = log.instant.search(head + opened.read(_HEAD))
    except FileNotFoundError:
        return None
    except _UNPACKABLE:
        return file
    if found is None:
        return file
    fraction = found[2] if found.lastindex == 2 else b""
    return _File(path, file.inode, file.size, int(found[1]) * 1_000_000 + int(fraction[:6].ljust(6, b"0")))


# --- what was read may be overwritten ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Redaction:
    """`found`: group 1 of each match is overwritten by `by`, filled up with `-` to the same length."""

    found: re.Pattern[bytes]
    by: bytes

    def spans(self, data: bytes) -> list[tuple[int, bytes]]:
        """(place in `data`, what to write there)."""
        matches = ((match.start(1), len(match[1])) for match in self.found.finditer(data))
        return [(start, self.by.ljust(length, b"-")[:length]) for start, length in matches]


def redact(log: KeptLog, done: Position, until: Position, limit_bytes: int, what: Redaction) -> Position:
    """Overwrite what `what` finds in at most `limit_bytes` between `done` and `until`; up to where it is done now.

    Call it again until the position stays. In place: every line keeps its place and length, and Asterisk, which opens
    the file anew for each line, goes on; a packed file is written anew. On the disk before this returns. Every file
    from that of `done` to that of `until` is gone through, as far as it is still there.
    """
    there = files(log)
    last = _find(there, until)
    if last is None:
        return until
    first = _find(there, done) if done.inode else None
    for file in there[: there.index(last) + 1]:
        if first is not None and file != first and there.index(file) < there.index(first):
            continue
        if first is None and done.began and file.began < done.began:
            continue
        begin = done.offset if file == first else 0
        stop = until.offset if file == last else None
        offset = _redact_file(file, begin, stop, limit_bytes, what)
        if file == last:
            return Position(until.inode, offset, until.began)
        if offset > begin:
            return Position(file.inode, offset, file.began)
    return done


def _redact_file(file: _File, start: int, stop: int | None, limit_bytes: int, what: Redaction) -> int:
    """Up to the last line end before `stop` (None: the file's end): how far it came."""
    if file.packed:
        return _redact_packed(file, start, stop, what)
    with file.path.open("r+b") as opened:
        stop = os.fstat(opened.fileno()).st_size if stop is None else stop
        opened.seek(start)
        data = opened.read(min(stop - start, limit_bytes)) if stop > start else b""
        if len(data) == limit_bytes and b"\n" not in data:
            data += opened.readline(LINE_CAP)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) >= LINE_CAP:
            whole = data[: -LINE_CAP // 2]  # no line at all: what may begin at its end is looked at again
        spans = what.spans(whole)
        for place, words in spans:
            opened.seek(start + place)
            opened.write(words)
        if spans:
            opened.flush()
            os.fsync(opened.fileno())
    return start + len(whole)


def _redact_packed(file: _File, start: int, stop: int | None, what: Redaction) -> int:
    """The whole file at once, beside it and renamed: nobody writes into it any more."""
    try:
        with file.open() as opened:
            data = opened.read()
    except _UNPACKABLE:
        return start  # it cannot be read by anybody else either
    stop = len(data) if stop is None else stop
    spans = what.spans(data[:stop])
    if spans:
        changed = bytearray(data)
        for place, words in spans:
            changed[place : place + len(words)] = words
        fresh = file.path.with_name(f".{file.path.name}")
        with _packed(fresh, "wb") as written:
            written.write(bytes(changed))
        fresh.chmod(file.path.stat().st_mode & 0o777)
        _to_the_disk(fresh)
        fresh.rename(file.path)
        _to_the_disk(file.path.parent)
    return max(start, data.rfind(b"\n", 0, stop) + 1)


def _to_the_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
