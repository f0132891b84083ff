"""The PBX's journal (CEL as JSON lines): what began and ended while nobody listened. (skeleton: filled in next)"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from pbx.events import Event
from pbx.facts import CallFact


@dataclass(frozen=True, slots=True)
class Position:
    """How far a journal was read: `inode` of the file and `offset` in it, so that a rotation is noticed."""

    inode: int = 0
    offset: int = 0


def read(path: Path, position: Position, limit_bytes: int = 1 << 20) -> tuple[list[Event], Position]:
    """The events written since `position`, at most about `limit_bytes`; a partial last line is left for the next time."""
    raise NotImplementedError


class JournalReplay:
    """The same trackers as live, fed from the journal: facts with the same keys."""

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx

    def feed(self, events: Iterable[Event]) -> list[CallFact]:
        """Facts of `events`, which must be fed in the order in which they were read."""
        raise NotImplementedError

    def presume_ended(self, live: Collection[str]) -> list[CallFact]:
        """After all was fed: calls that stop in the journal without an end and are not in `live` ended by fault."""
        raise NotImplementedError
