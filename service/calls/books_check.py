"""Holding the books against queue_log, all the time: what differs is counted, and logged by the call's id."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from pbx import queue_log
from pbx.journal_file import Fault, Position
from pbx.queue_log import Entry, QueueLogTally, Seen
from service.calls import queries
from service.calls.books import Difference, compare
from service.calls.log_faults import LogFaults
from service.calls.told import Told
from service.store.engine import Store

#: queue_log is looked at this often
LOOK_SECONDS: Final = 30.0
#: a call is compared so long after the last word about it: its end is stored by then, and COMPLETECALLER written
SETTLED_SECONDS: Final = 20
_CHUNK_BYTES: Final = 128 * 1024
_AT_ONCE: Final = 200

_log = structlog.get_logger(__name__)


class BooksCheck:
    """Of one PBX. `differences`: by kind, since the service started.

    `live`: ids of the calls that it has now. `complete`: the books hold all that it told, the journal too.
    """

    def __init__(
        self,
        store: Store,
        pbx: str,
        path: Path,
        *,
        live: Callable[[], Collection[str]],
        complete: Callable[[], bool] = lambda: True,
    ) -> None:
        self.pbx = pbx
        self.differences: Counter[str] = Counter()
        self.compared = 0  #: calls
        self.faults = LogFaults(pbx)
        self._store = store
        self._path = path
        self._live = live
        self._complete = complete
        self._tally = QueueLogTally()
        self._place: Position | None = None
        self._began: dict[str, Position] = {}  #: call that is not compared yet → where the chunk starts that names it
        self._failed = ""
        self._since: datetime | None = None  #: calls that ended before were compared
        self._done: dict[str, None] = {}  #: compared since then

    @property
    def unexplained(self) -> int:
        """Differences that are not benign."""
        return sum(count for kind, count in self.differences.items() if not kind.startswith("benign-"))

    async def run(self) -> None:
        """Until cancelled. What fails is tried again."""
        while True:
            try:
                if self._complete():
                    await self.check()
                self._failed = ""
            except Exception as error:
                self._complain(type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def check(self, now: float | None = None) -> list[Difference]:
        """All that is written so far. `now`: the PBX's clock. Raises OSError, and the database's errors."""
        if self._place is None:
            async with self._store.reading() as session:
                self._place, self._since = await queries.queue_log_position(session, self.pbx)
        before = self._place
        await self._read_on()
        settled = int((time.time() if now is None else now) - SETTLED_SECONDS)
        live = set(self._live())
        due = [seen for seen in self._tally.seen.values() if seen.last_at < settled and seen.call_id not in live]
        found: list[Difference] = []
        for start in range(0, len(due), _AT_ONCE):
            found += self._noted(await self._compare(due[start : start + _AT_ONCE]))
        found += self._noted(await self._only_in_the_books(datetime.fromtimestamp(settled, UTC)))
        await self._commit(before)
        return found

    async def _only_in_the_books(self, until: datetime) -> list[Difference]:
        """Calls that ended since the last look and of which queue_log says nothing."""
        found: list[Difference] = []
        since = self._since
        if since is None or since >= until:
            self._since = until
            return found
        async with self._store.reading() as session:
            ended = await queries.ended_between(session, self.pbx, since, until)
            unseen = [call_id for call_id in ended if call_id not in self._done and call_id not in self._tally.seen]
            for start in range(0, len(unseen), _AT_ONCE):
                facts = await queries.facts_of(session, self.pbx, unseen[start : start + _AT_ONCE])
                found += [difference for call_id, own in facts.items() for difference in compare(None, own, call_id)]
        self._since = until  # once it was looked at: a database that is away for a moment leaves nothing unchecked
        self._done = {call_id: None for call_id in self._done if call_id not in ended}
        return found

    async def _read_on(self) -> None:
        while self._place is not None:
            faults: list[Fault] = []
            entries, after = await asyncio.to_thread(self._chunk, self._place, faults)
            self.faults.note(faults)
            if after == self._place:
                return
            start = self._place if after.inode == self._place.inode else Position(after.inode, 0, after.began)
            for call_id in self._tally.feed(entries):
                self._began.setdefault(call_id, start)
            self._place = after

    def _chunk(self, place: Position, faults: list[Fault]) -> tuple[list[Entry], Position]:
        return queue_log.read(self._path, place, _CHUNK_BYTES, pbx=self.pbx, note=faults.append)

    async def _compare(self, due: Sequence[Seen]) -> list[Difference]:
        async with self._store.reading() as session:
            facts = await queries.facts_of(session, self.pbx, [seen.call_id for seen in due])
        found: list[Difference] = []
        for seen in due:
            own = facts[seen.call_id]
            if own and not any(fact.what == "ended" for fact in own):
                continue  # the journal has not been read so far
            found += self._compared(seen, own)
        return found

    def _compared(self, seen: Seen, facts: Sequence[Told]) -> list[Difference]:
        self.compared += 1
        self._done[seen.call_id] = None
        self._tally.forget(seen.call_id)
        self._began.pop(seen.call_id, None)
        return compare(seen, facts)

    def _noted(self, found: list[Difference]) -> list[Difference]:
        for difference in found:
            self.differences[difference.kind.value] += 1
            say = _log.info if difference.kind.benign else _log.error
            say(
                "queue_log and the books differ about a call",
                action="books-differ",
                pbx=self.pbx,
                call_id=difference.call_id,
                what=difference.kind.value,
                detail=f"queue_log {difference.queue_log}, books {difference.books}",
            )
        return found

    async def _commit(self, before: Position | None) -> None:
        """Up to the first call that is still to be compared; the oldest was put in first."""
        safe = next(iter(self._began.values()), self._place)
        if safe is None or safe in (Position(), before):
            return
        async with self._store.transaction() as session:
            await queries.put_queue_log_position(session, self.pbx, safe, datetime.now(UTC))

    def _complain(self, error: str) -> None:
        """Once, until it works again."""
        if error != self._failed:
            self._failed = error
            _log.error(
                "the books could not be held against queue_log: check the rights on it, its disk, and the store",
                action="books-unchecked",
                pbx=self.pbx,
                error=error,
            )
