"""What could not be used in a PBX's own files: counted, and logged by place and reason, never with what it said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog

from pbx.journal_file import Fault

#: of one reading; the rest is told as a count
LOGGED_AT_ONCE: Final = 10
#: remembered, so that what is read again after a gap is not counted again
REMEMBERED: Final = 10_000

_log = structlog.get_logger(__name__)


class LogFaults:
    """Of one PBX. `counts`: how many of each kind since the service started."""

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self.counts: Counter[str] = Counter()
        self._seen: dict[Fault, None] = {}

    @property
    def total(self) -> int:
        """Of all kinds."""
        return self.counts.total()

    def note(self, faults: Iterable[Fault]) -> None:
        """After a reading. A fault that was noted before is not news."""
        fresh = [fault for fault in dict.fromkeys(faults) if fault not in self._seen]
        for fault in fresh:
            self.counts[fault.kind.value] += 1
            self._seen[fault] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        for fault in fresh[:LOGGED_AT_ONCE]:
            _log.error(
                "something in the PBX's own files could not be used; the rest is read",
                action="log-fault",
                pbx=self.pbx,
                file=fault.file,
                offset=fault.offset,
                reason=fault.kind.value,
            )
        if len(fresh) > LOGGED_AT_ONCE:
            _log.error("and more of them", action="log-fault-more", pbx=self.pbx, count=len(fresh) - LOGGED_AT_ONCE)
