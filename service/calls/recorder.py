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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from pbx import journal
from pbx.facts import CallFact, Fact, PbxConnected
from pbx.journal import Position
from service.calls import queries, replay, use_cases
from service.calls.log_faults import LogFaults
from service.calls.positions import SafePlaces
from service.calls.replay import JournalUnreadable
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
#: The PBX writes a line of its journal a moment after it tells the same (later when its machine is busy). A call that
#: lives and whose beginning was not in the journal yet is looked for again: so long after, and so often at most
LATE_LINES_SECONDS: Final = 1.0
LATE_LINES_TRIES: Final = 5

#: faults of one call's facts, or of ours: trying again would not help. Everything else is the database's absence
#: (and of keys, `_may_pass` says which)
_BAD_FACTS: Final = (
    IntegrityError,
    DataError,
    ProgrammingError,
    LookupError,
    TypeError,
    ValueError,
    OverflowError,  # a number too large for SQLite
    KeysError,
)

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

    `remember`: told of the callers' tokens (call id, token) that the journal holds, on the event loop.
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
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self._store = store
        self._archive = archive
        self._journal = journal
        self._live = live
        self._announce = announce
        self._remember = remember
        self._queue: asyncio.Queue[Item] = asyncio.Queue(limit)
        self._queued: Counter[str] = Counter()
        self._places = SafePlaces()
        self._open: dict[str, float] = {}
        self._must_replay = False
        self._replay_not_before: float | None = None  #: monotonic; None unless the journal is to be read again
        self.journal_unreadable = False  #: the journal could not be read the last time, and is tried again
        self._late_tries = 0  #: readings of the journal in a row that did not find the beginning of a live call
        self._last_at: float | None = None
        self._quiet_at: float = 0.0  #: monotonic
        self._stored_at = float("-inf")  #: monotonic
        self._committed: Position | None = None
        self._since: deque[float] = deque()  #: monotonic: when each batch was offered that is not stored yet
        self.replays = 0  #: how often the journal was read to its end
        self.faults = LogFaults(archive.pbx)  #: what of the journal could not be used
        self.facts_stored = 0  #: those of the journal too, also where they were stored before
        #: monotonic, since when the store refuses what is offered, and its last word; None: it does not
        self.refused: tuple[float, Exception] | None = None

    # --- in: never waits

    def offer(self, facts: Sequence[Fact]) -> None:
        """Take a batch. What finds no room is read from the journal later."""
        connected = [fact for fact in facts if isinstance(fact, PbxConnected)]
        for fact in connected:
            self._put(fact)
        calls = [fact for fact in facts if isinstance(fact, CallFact)]
        if calls:
            self._put(calls)

    def writing_ended(self, account_id: int, at: datetime) -> None:
        """The listener ended their wrap-up."""
        self._put(WritingEnded(account_id, at))

    def _put(self, item: Item) -> None:
        try:
            self._queue.put_nowait(item)
            self._since.append(time.monotonic())
            if isinstance(item, list):
                self._queued.update(fact.call_id for fact in item)
        except asyncio.QueueFull:
            if not self._must_replay:
                _log.warning("the database does not keep up; the journal will be read", action="recorder-full")
            self._must_replay = True

    def sample(self, now: float) -> None:
        """Note how long the journal is. `now`: epoch seconds on the PBX's clock. Once a second."""
        with contextlib.suppress(OSError):
            place = journal.end(self._journal)
            if place is not None:
                self._places.sample(now, place)

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
        return self.replays > 0 and not self._must_replay and self._queue.empty()

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
                if self._must_replay and self._replay_pause() <= 0:
                    await self._replay()
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
            put_off = self._replay_not_before is not None
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
        if any(isinstance(item, PbxConnected) for item in items):
            self._must_replay, self._late_tries = True, 0
        if facts:
            await self._patiently(self._store_facts, facts)
            self._stored_at = time.monotonic()
        ended = [item for item in items if isinstance(item, WritingEnded)]
        if ended:
            await self._patiently(self._end_writing, ended)
        for item in items:
            if isinstance(item, Quiet):
                await self._patiently(self._note_quiet, item)

    async def _store_facts(self, facts: Sequence[CallFact], position: Position | None = None) -> None:
        """One transaction. A batch that the database refuses is taken apart, so that one bad call costs only itself."""
        try:
            await self._commit(facts, position)
        except _BAD_FACTS as error:
            if _may_pass(error):
                raise
            await self._store_apart(facts, position)

    async def _store_apart(self, facts: Sequence[CallFact], position: Position | None) -> None:
        """Call by call. No place is safe before all are stored: one of them may have begun before it."""
        by_call: dict[str, list[CallFact]] = {}
        for fact in facts:
            by_call.setdefault(fact.call_id, []).append(fact)
        stored_until: list[float] = []
        for call_id, own in by_call.items():
            try:
                await self._commit(own, None, is_part=True)
                stored_until.append(max(fact.at for fact in own))
            except _BAD_FACTS as error:
                if _may_pass(error):
                    raise
                _log.exception("a call could not be recorded", action="record-failed", call_id=call_id)
        if position is None and stored_until and not self._must_replay:
            position = self._places.safe(min([max(stored_until), *self._open.values()]))
        await self._put_place(position)

    async def _commit(self, facts: Sequence[CallFact], position: Position | None, *, is_part: bool = False) -> None:
        last_at = max((fact.at for fact in facts), default=None)
        async with self._store.transaction() as session:
            recorded = await use_cases.record(session, self._archive, facts)
            safe = None if is_part else position or self._safe_place(recorded, last_at)
            if safe is not None:
                await queries.put_journal_position(session, self._archive.pbx, safe, datetime.now(UTC))
        self._committed = safe or self._committed
        self.facts_stored += len(facts)
        self._note_open(recorded)
        if last_at is not None:
            self._last_at = last_at
        await self._announce(recorded)

    def _safe_place(self, recorded: Recorded, last_at: float | None) -> Position | None:
        """Nothing is safe while the journal has to be read: what it holds is not stored yet."""
        if self._must_replay or last_at is None:
            return None
        opened = {**self._open, **{call: at.timestamp() for call, at in recorded.open.items()}}
        arrivals = [at for call, at in opened.items() if call not in recorded.ended]
        return self._places.safe(min([last_at, *arrivals]))

    def _note_open(self, recorded: Recorded) -> None:
        for call_id, arrived_at in recorded.open.items():
            self._open[call_id] = arrived_at.timestamp()
        for call_id in recorded.ended:
            self._open.pop(call_id, None)

    async def _note_quiet(self, item: Quiet) -> None:
        if self._must_replay:
            return
        await self._put_place(self._places.safe(min([item.until, *self._open.values()])))

    async def _put_place(self, safe: Position | None) -> None:
        if safe is None or safe == self._committed:
            return
        async with self._store.transaction() as session:
            await queries.put_journal_position(session, self._archive.pbx, safe, datetime.now(UTC))
        self._committed = safe

    async def _end_writing(self, items: Sequence[WritingEnded]) -> None:
        async with self._store.transaction() as session:
            for item in items:
                await cases.end_writing(session, item.account_id, item.at)

    # --- after a gap

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
            self.journal_unreadable = True
            self._replay_not_before = time.monotonic() + JOURNAL_RETRY_SECONDS
        else:
            self.journal_unreadable = False
            self._replay_not_before = time.monotonic() + LATE_LINES_SECONDS if self._must_replay else None

    def _replay_pause(self) -> float:
        """Seconds until the journal may be tried again."""
        return 0.0 if self._replay_not_before is None else max(0.0, self._replay_not_before - time.monotonic())

    async def _replay_once(self) -> None:
        self._must_replay = False
        try:
            live_before = set(self._live())
            await replay.run(self)
            await self._end_vanished(live_before)
            await self._look_for_late_lines(live_before)
        except BaseException:
            self._must_replay = True
            raise
        self.replays += 1

    async def _end_vanished(self, live_before: set[str]) -> None:
        live = live_before | set(self._live())
        async with self._store.transaction() as session:
            stored_open = await queries.open_calls(session, self._archive.pbx)
            gone = [call_id for call_id in stored_open if call_id not in live and not self._queued[call_id]]
            recorded = await use_cases.end_vanished(session, self._archive, gone)
        self._open = {call: at.timestamp() for call, at in stored_open.items() if call in live}
        await self._announce(recorded)

    async def _look_for_late_lines(self, live: Collection[str]) -> None:
        """Who called is told by a call's beginning alone: what is not there yet is read again, before it is purged."""
        async with self._store.reading() as session:
            headless = await queries.calls_without_beginning(session, self._archive.pbx, live)
        self._late_tries = self._late_tries + 1 if headless else 0
        if 0 < self._late_tries <= LATE_LINES_TRIES:
            self._must_replay = True
        elif headless:
            _log.warning("the beginning of a call is not in the journal", action="no-beginning", count=len(headless))

    # --- what the replay needs

    @property
    def pbx(self) -> str:
        return self._archive.pbx

    @property
    def journal(self) -> Path:
        return self._journal

    def live_calls(self) -> Collection[str]:
        """Ids of the calls that the PBX has now."""
        return self._live()

    async def stored_position(self) -> Position:
        """Where the journal was safe to be read from, at the last commit."""
        async with self._store.reading() as session:
            return await queries.journal_position(session, self.pbx)

    async def store_replayed(self, facts: Sequence[CallFact], safe: Position) -> None:
        """Store what the journal told, and how far it needs not be read again."""
        await self._store_facts(facts, safe)

    def remember(self, call_id: str, token: str) -> None:
        """The journal told who calls; the PBX's snapshot cannot."""
        if self._remember is not None:
            self._remember(call_id, token)

    def restart_samples(self, places: Sequence[tuple[float, Position]]) -> None:
        """Places in the journal with their times, as the replay met them."""
        self._places.clear()
        for at, place in places:
            self._places.sample(at, place)

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
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RETRY_MOST_SECONDS)
            else:
                self.refused = None
                return


def _may_pass(error: Exception) -> bool:
    """A master key that is not here or cannot be read may come: a call that waits for it is no fault."""
    return isinstance(error, KeysError) and error.id != "sealed-unreadable"


def _size(item: Item) -> int:
    return len(item) if isinstance(item, list) else 1
