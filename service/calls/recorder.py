"""The recorder of one PBX: facts go in without waiting, and come to rest in the database in batches.

Behind a bounded queue. When the database is locked or lost the queue may overflow: what it could not take is read again
from the PBX's own journal, from a position that is committed together with the facts that make it safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from pbx import journal
from pbx.facts import CallFact, Fact, PbxConnected, PbxLost, PbxRefused
from pbx.journal import Position
from service.calls import replay
from service.calls.ledger import Ledger, lies_in_the_facts
from service.calls.log_faults import LogFaults
from service.calls.replay import JournalUnreadable, LateLines
from service.calls.use_cases import Archive, Recorded
from service.cases import use_cases as cases
from service.keys import KeysError
from service.store.engine import Store

#: batches that may wait for the database; beyond, the journal remembers for us
QUEUE_LIMIT: Final = 2_000
#: facts stored in one transaction, about
TRANSACTION_FACTS: Final = 500
#: after a commit, facts are gathered this long: a calm line's are stored at once, a busy line's share a transaction
GATHER_SECONDS: Final = 0.05
#: a place in the journal is safe when the PBX was heard so much later: a connection that died is noticed in 3 s
QUIET_SECONDS: Final = 30.0
#: the place is committed this often while nothing happens
_QUIET_EVERY_SECONDS: Final = 10.0
_RETRY_FIRST_SECONDS: Final = 0.2
_RETRY_MOST_SECONDS: Final = 5.0
#: until a journal that could not be read is tried again
JOURNAL_RETRY_SECONDS: Final = 10.0
#: until a journal that may have been read too early is read again
LATE_LINES_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WritingEnded:
    """A listener ended their wrap-up: they are in contact no more."""

    account_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is under way; everything that the PBX wrote before `until` (its clock) was offered before this."""

    until: float


Item = list[CallFact] | WritingEnded | PbxConnected | Quiet


class Recorder:
    """`live`: ids of the calls that the PBX has now. `announce`: told of each commit, on the event loop.

    `remember`: told of the callers' tokens (call id, token) that the journal holds, on the event loop. `ending`: kept
    here for whoever reads it: account → when they ended a wrap-up, until that is stored.
    """

    def __init__(
        self,
        store: Store,
        archive: Archive,
        journal: Path,
        *,
        live: Callable[[], Collection[str]],
        announce: Callable[[Recorded], Awaitable[None]],
        remember: Callable[[str, str], None] | None = None,
        ending: dict[int, datetime] | None = None,
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self._store = store
        self._ledger = Ledger(store, archive, announce)
        self._pbx = archive.pbx
        self._journal = journal
        self._live = live
        self._remember = remember
        self._queue: asyncio.Queue[Item] = asyncio.Queue(limit)
        self._queued: Counter[str] = Counter()
        #: account → when they ended a wrap-up that found no room; the journal knows nothing of it
        self._overdue: dict[int, datetime] = {}
        self._ending = {} if ending is None else ending
        self._up = False  #: connected: which calls live is known
        self._replay_not_before: float | None = None  #: monotonic; None unless the journal is to be read again
        self.journal_unreadable = False  #: the journal could not be read the last time, and is tried again
        self.late = LateLines()  #: whether the journal is to be read once more
        self._quiet_at: float = 0.0  #: monotonic
        self._stored_at = float("-inf")  #: monotonic
        self._since: deque[float] = deque()  #: monotonic: when each batch was offered that is not stored yet
        self.replays = 0  #: how often the journal was read to its end
        self.faults = LogFaults(archive.pbx)  #: what of the journal could not be used
        #: monotonic, since when the store refuses what is offered, and its last word; None: it does not
        self.refused: tuple[float, Exception] | None = None

    # --- in: never waits

    def offer(self, facts: Sequence[Fact]) -> None:
        """Take a batch. What finds no room is read from the journal later."""
        for fact in facts:
            if isinstance(fact, PbxConnected):
                self._up = self._ledger.missed = True
                self.late.connected()
                self._put(fact)
            elif isinstance(fact, PbxLost | PbxRefused):
                self._up = False
                self._ledger.lost()
        calls = [fact for fact in facts if isinstance(fact, CallFact)]
        if calls:
            self._put(calls)

    def writing_ended(self, account_id: int, at: datetime) -> None:
        """The listener ended their wrap-up. Never dropped."""
        self._ending[account_id] = at
        if not self._put(WritingEnded(account_id, at)):
            self._overdue[account_id] = at

    def _put(self, item: Item) -> bool:
        """Whether there was room; where not, the journal is read."""
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            if not self._ledger.missed:
                _log.warning(
                    "the database does not keep up: look at its load and disk; "
                    "what finds no room is read from the PBX's journal",
                    action="recorder-full",
                )
            self._ledger.missed = True
            return False
        self._since.append(time.monotonic())
        if isinstance(item, list):
            self._queued.update(fact.call_id for fact in item)
        return True

    def sample(self, now: float) -> None:
        """Note how long the journal is. `now`: epoch seconds on the PBX's clock. Once a second."""
        with contextlib.suppress(OSError):
            place = journal.end(self._journal)
            if place is not None:
                self._ledger.sample(now, place)

    def heard(self, at: float) -> None:
        """The PBX was heard at `at` (its clock), and all that it said was offered. While it is connected, each second.

        So the journal is safe up to there also when nobody rings, and callers' tokens do not wait for the next call.
        """
        if self._queue.empty() and time.monotonic() - self._quiet_at >= _QUIET_EVERY_SECONDS:
            self._quiet_at = time.monotonic()
            self._put(Quiet(at - QUIET_SECONDS))

    @property
    def complete(self) -> bool:
        """All that the PBX told is stored, what it wrote while nobody listened too."""
        return self.replays > 0 and self.late.first and not self._ledger.missed and self._queue.empty()

    @property
    def facts_stored(self) -> int:
        """Those of the journal too, also where they were stored before."""
        return self._ledger.facts_stored

    @property
    def journal_faults(self) -> int:
        """Lines and files of the journal that could not be used since the service started."""
        return self.faults.total

    @property
    def behind(self) -> int:
        """Batches that wait for the database."""
        return self._queue.qsize()

    @property
    def unstored(self) -> int:
        """Batches that are not stored yet: those that wait, and those that are being stored."""
        return len(self._since)

    @property
    def waits_since(self) -> float | None:
        """Monotonic: when the oldest batch was offered that is not stored yet; None: all is."""
        return self._since[0] if self._since else None

    async def settled(self) -> None:
        """All that was offered until now is stored."""
        await self._queue.join()

    # --- out: one at a time, in order

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            items = await self._next()
            try:
                await self._store_items(items)
                if self._may_replay and self._replay_pause() <= 0:
                    await self._replay()
                if self._overdue:
                    await self._patiently(self._end_overdue)
            finally:
                for item in items:
                    self._queue.task_done()
                    self._since.popleft()
                    if isinstance(item, list):
                        self._queued.subtract(fact.call_id for fact in item)
                self._queued += Counter()  # drops what is at zero

    async def _next(self) -> list[Item]:
        """What waits, or nothing when it is time to try the journal again."""
        try:
            put_off = self._may_replay and self._replay_not_before is not None
            async with asyncio.timeout(self._replay_pause() if put_off else None):
                items = [await self._queue.get()]
        except TimeoutError:
            return []
        await asyncio.sleep(max(0.0, self._stored_at + GATHER_SECONDS - time.monotonic()))
        facts = _size(items[0])
        while facts < TRANSACTION_FACTS and not self._queue.empty():
            item = self._queue.get_nowait()
            items.append(item)
            facts += _size(item)
        return items

    async def _store_items(self, items: list[Item]) -> None:
        facts = [fact for item in items if isinstance(item, list) for fact in item]
        if facts:
            await self._patiently(self._ledger.store, facts)
            self._stored_at = time.monotonic()
        ended = [item for item in items if isinstance(item, WritingEnded)]
        if ended:
            await self._patiently(self._end_writing, ended)
            self._forget_ended({item.account_id: item.at for item in ended})
        for item in items:
            if isinstance(item, Quiet):
                await self._patiently(self._ledger.note_quiet, item.until)

    async def _end_writing(self, items: Sequence[WritingEnded]) -> None:
        async with self._store.transaction() as session:
            for item in items:
                await cases.end_writing(session, item.account_id, item.at)

    async def _end_overdue(self) -> None:
        """Once more after the journal was read: only then is each contact here that they were in."""
        overdue = dict(self._overdue)
        missed = self._ledger.missed
        await self._end_writing([WritingEnded(account_id, at) for account_id, at in overdue.items()])
        if not missed:
            self._overdue = {account: at for account, at in self._overdue.items() if overdue.get(account) != at}
            self._forget_ended(overdue)

    def _forget_ended(self, stored: dict[int, datetime]) -> None:
        for account_id, at in stored.items():
            if self._ending.get(account_id) == at:
                del self._ending[account_id]

    # --- after a gap

    @property
    def _may_replay(self) -> bool:
        """Not while the PBX is not heard: every call would seem to have vanished."""
        return self._up and self._ledger.missed

    async def _replay(self) -> None:
        """Read the journal from the last safe place to its end; then calls that vanished end, once."""
        await self._patiently(self._replay_if_readable)

    async def _replay_if_readable(self) -> None:
        """A journal that cannot be read stops no record; nothing is safe until it could be."""
        try:
            await self._replay_once()
        except JournalUnreadable as error:
            if not self.journal_unreadable:
                _log.error(
                    "the PBX's journal cannot be read: check the rights on it and its disk",
                    action="journal-unreadable",
                    error=type(error.__cause__).__name__,
                )
            self._put_off()
        except Exception as error:
            if not lies_in_the_facts(error):
                raise
            if not self.journal_unreadable:
                _log.exception(
                    "the PBX's journal could not be understood, and is tried again: report it with these lines of the "
                    "service's log; never send the journal itself",
                    action="journal-not-understood",
                )
            self._put_off()
        else:
            self.journal_unreadable = False
            self._replay_not_before = time.monotonic() + LATE_LINES_SECONDS if self._ledger.missed else None

    def _put_off(self) -> None:
        self.journal_unreadable = True
        self._replay_not_before = time.monotonic() + JOURNAL_RETRY_SECONDS

    def _replay_pause(self) -> float:
        """Seconds until the journal may be tried again."""
        return 0.0 if self._replay_not_before is None else max(0.0, self._replay_not_before - time.monotonic())

    async def _replay_once(self) -> None:
        self._ledger.missed = False
        first, self.late.first = self.late.first, False
        try:
            live_before = set(self._live())
            await replay.run(self)
            awaited = {call_id for call_id, count in self._queued.items() if count}
            vanished = await self._ledger.vanished(live_before | set(self._live()), awaited)
            await self._ledger.end_vanished(vanished & self.late.vanished)
            await self._look_for_late_lines(live_before, vanished, first)
        except BaseException:
            self._ledger.missed = True
            self.late.first = self.late.first or first
            raise
        self.replays += 1

    async def _look_for_late_lines(self, live: Collection[str], vanished: Collection[str], first: bool) -> None:
        """Who called is told by a call's beginning alone: what is not there yet is read again, before it is purged."""
        headless = await self._ledger.without_beginning(live)
        if self.late.again(live=live, headless=headless, vanished=vanished, first=first):
            self._ledger.missed = True
        elif headless:
            _log.warning("the beginning of a call is not in the journal", action="no-beginning", count=len(headless))

    # --- what the replay needs: replay.Books says of each what it is

    @property
    def pbx(self) -> str:
        return self._pbx

    @property
    def journal(self) -> Path:
        return self._journal

    def live_calls(self) -> Collection[str]:
        return self._live()

    async def stored_position(self) -> Position:
        return await self._ledger.position()

    async def store_replayed(self, facts: Sequence[CallFact], safe: Position) -> None:
        await self._ledger.store(facts, safe)

    def remember(self, call_id: str, token: str) -> None:
        if self._remember is not None:
            self._remember(call_id, token)

    def restart_samples(self, places: Sequence[tuple[float, Position]]) -> None:
        self._ledger.restart_samples(places)

    async def _patiently(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Until the database takes it and its keys are here. Meanwhile the queue fills; it is bounded."""
        pause = _RETRY_FIRST_SECONDS
        since = time.monotonic()
        while True:
            try:
                await work(*args)
            except Exception as error:
                self.refused = (since if self.refused is None else self.refused[0], error)
                waited = round(time.monotonic() - since, 1)
                _log.warning(
                    "facts could not be stored; trying again",
                    action="store-retry",
                    error=type(error).__name__,
                    error_id=error.id if isinstance(error, KeysError) else None,
                    seconds=waited,
                    exc_info=error if pause == _RETRY_FIRST_SECONDS else None,
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RETRY_MOST_SECONDS)
            else:
                self.refused = None
                return


def _size(item: Item) -> int:
    return len(item) if isinstance(item, list) else 1
