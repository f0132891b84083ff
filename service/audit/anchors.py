"""Anchors of the audit trail: where its chain ended, kept in a file outside the database, and in the service's log.

A chain alone cannot show that its end was cut off together with the mark of its end, nor that an older copy of the
database stands in its place. A line in `<data dir>/audit-anchors` for each minute in which something was added can.
Lines carry a keyed hash, so that none can be invented; that lines themselves are missing shows nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

from service.audit.chain import Anchor, head_anchor
from service.keys import Keyring
from service.store.engine import Store

EVERY_SECONDS: Final = 60.0
#: older than this, one anchor a day is kept
_ALL_KEPT: Final = timedelta(days=2)
_log = structlog.get_logger(__name__)


class AnchorsDamaged(Exception):
    """A line of the file is not one that the service wrote. `line`: its number."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


class _Line(msgspec.Struct, frozen=True):
    at: datetime
    seq: int
    hash: str
    mark: str


def file_of(data_dir: Path) -> Path:
    """Where the anchors are kept."""
    return data_dir / "audit-anchors"


def read(file: Path, keyring: Keyring) -> list[Anchor]:
    """All anchors of the file, the oldest first; none where there is no file yet. AnchorsDamaged."""
    if not file.exists():
        return []
    *lines, _torn = file.read_bytes().split(b"\n")  # what a power cut left of the last line is no line
    return [_read_line(text, number, keyring) for number, text in enumerate(lines, 1)]


def _read_line(text: bytes, number: int, keyring: Keyring) -> Anchor:
    try:
        line = msgspec.json.decode(text, type=_Line)
    except msgspec.DecodeError:
        raise AnchorsDamaged(number) from None
    if not hmac.compare_digest(line.mark.encode(), _mark(keyring, line.at, line.seq, line.hash).encode()):
        raise AnchorsDamaged(number)
    return Anchor(seq=line.seq, hash=line.hash, at=line.at)


def parse(text: str) -> Anchor:
    """An anchor that somebody kept elsewhere: `1234:ab12…`. ValueError for anything else."""
    seq, _, hashed = "".join(text.split()).partition(":")  # typed from paper, in groups
    if not seq.isdecimal() or len(bytes.fromhex(hashed)) != 32:
        raise ValueError(text)
    return Anchor(seq=int(seq), hash=hashed.lower())


class Anchors:
    """Writes an anchor whenever the chain has grown."""

    def __init__(self, store: Store, keyring: Keyring, file: Path) -> None:
        self._store = store
        self._keyring = keyring
        self._file = file
        self._last = 0

    async def run(self) -> None:
        """Until cancelled; once more then."""
        await asyncio.to_thread(self._thin_out)
        try:
            while True:
                await self.drop()
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            await self.drop()

    async def drop(self) -> None:
        """Note where the chain ends, if that is news. A failure here keeps nobody from anything: it is logged."""
        try:
            async with self._store.reading() as session:
                anchor = await head_anchor(session, datetime.now(UTC))
            if anchor is None or anchor.seq == self._last:
                return
            await asyncio.to_thread(self._write, anchor)
            self._last = anchor.seq
            _log.info("the audit trail reaches to here", action="audit-anchor", seq=anchor.seq, hash=anchor.hash)
        except Exception as error:
            _log.error("no anchor of the audit trail was kept", action="anchor-failed", error=type(error).__name__)

    def _write(self, anchor: Anchor) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            self._cut_torn_line(file.fileno())
            file.write(self._line(anchor))
            file.flush()
            os.fsync(file.fileno())

    def _cut_torn_line(self, descriptor: int) -> None:
        """What a full disk left of the last line: the next one behind it would look like a line that was changed."""
        content = self._file.read_bytes()
        if content and not content.endswith(b"\n"):
            os.ftruncate(descriptor, content.rfind(b"\n") + 1)

    def _line(self, anchor: Anchor) -> bytes:
        at = (anchor.at or datetime.now(UTC)).replace(microsecond=0)
        mark = _mark(self._keyring, at, anchor.seq, anchor.hash)
        return msgspec.json.encode(_Line(at=at, seq=anchor.seq, hash=anchor.hash, mark=mark)) + b"\n"

    def _thin_out(self) -> None:
        """Of days long past the last anchor suffices. What was changed is left as it is: it is a finding."""
        try:
            self._thin_out_safely()
        except AnchorsDamaged as error:
            _log.error("the file of the audit trail's anchors was changed", action="anchors-damaged", line=error.line)
        except OSError as error:
            _log.error("anchors could not be tidied", action="anchor-failed", error=type(error).__name__)

    def _thin_out_safely(self) -> None:
        anchors = read(self._file, self._keyring)
        before = datetime.now(UTC) - _ALL_KEPT
        last_of_day = {anchor.at.date(): anchor for anchor in anchors if anchor.at is not None}
        kept = [
            anchor
            for anchor in anchors
            if anchor.at is None or anchor.at >= before or last_of_day[anchor.at.date()] is anchor
        ]
        lines = b"".join(self._line(anchor) for anchor in kept)
        if self._file.exists() and lines != self._file.read_bytes():
            draft = self._file.with_name(self._file.name + ".new")
            with draft.open("wb") as written:
                written.write(lines)
                written.flush()
                os.fsync(written.fileno())
            draft.chmod(0o600)
            draft.replace(self._file)


def _mark(keyring: Keyring, at: datetime, seq: int, hashed: str) -> str:
    return keyring.audit_hash(b"anchor", f"{at.isoformat()} {seq} {hashed}".encode()).hex()
