"""What is stored of one PBX's calls, and up to where its journal needs not be read again: committed together.

A place in the journal is safe when no call that began before it is open or unstored. None is, from the start and from
the loss of the connection on, until the journal was read: what was said meanwhile is known to the journal alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, StatementError

from pbx.facts import CallFact
from pbx.journal import Position
from service.calls import queries, use_cases
from service.calls.positions import SafePlaces
from service.calls.use_cases import Archive, Recorded
from service.keys import KeysError
from service.store.engine import Store

_BAD_FACTS: Final = (
    IntegrityError,
    DataError,
    ProgrammingError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    OverflowError,  # a number too large for SQLite
)

_log = structlog.get_logger(__name__)


def lies_in_the_facts(error: Exception) -> bool:
    """A fault of one call's facts, or of ours: trying again would not help. All else is the database's absence.

    A master key that is not here or cannot be read may come: a call that waits for it is no fault.
    """
    if isinstance(error, KeysError):
        return error.id == "sealed-unreadable"
    if isinstance(error, _BAD_FACTS) or type(error) is StatementError:  # this one: a value that no column takes
        return True
    # asyncpg says it with a state of SQL's class "data exception", which SQLAlchemy does not know as its DataError
    return isinstance(error, DBAPIError) and str(getattr(error.orig, "sqlstate", None)).startswith("22")


class Ledger:
    """`announce`: told of each commit, on the event loop."""

    def __init__(self, store: Store, archive: Archive, announce: Callable[[Recorded], Awaitable[None]]) -> None:
        self.facts_stored = 0  #: those of the journal too, also where they were stored before
        self.missed = True  #: the journal may hold what is not stored: no place is safe before it is read
        self._store = store
        self._archive = archive
        self._announce = announce
        self._places = SafePlaces()
        self._open: dict[str, float] = {}
        self._committed: Position | None = None

    # --- places in the journal

    def lost(self) -> None:
        """The PBX is not heard any more."""
        self.missed = True
        self._places.clear()

    def sample(self, at: float, place: Position) -> None:
        """At `at` (the PBX's clock) the journal ended at `place`, and all that the PBX said was heard."""
        if not self.missed:
            self._places.sample(at, place)

    def restart_samples(self, places: Sequence[tuple[float, Position]]) -> None:
        """Places in the journal with their times, as its reading met them."""
        self._places.clear()
        for at, place in places:
            self._places.sample(at, place)

    async def position(self) -> Position:
        """Where the journal was safe to be read from, at the last commit."""
        async with self._store.reading() as session:
            return await queries.journal_position(session, self._archive.pbx)

    async def note_quiet(self, until: float) -> None:
        """Nothing is under way; all that the PBX wrote before `until` (its clock) is stored."""
        if not self.missed:
            await self._put_place(self._places.safe(min([until, *self._open.values()])))

    def _safe_place(self, recorded: Recorded, last_at: float | None) -> Position | None:
        if self.missed or last_at is None:
            return None
        opened = {**self._open, **{call: at.timestamp() for call, at in recorded.open.items()}}
        arrivals = [at for call, at in opened.items() if call not in recorded.ended]
        return self._places.safe(min([last_at, *arrivals]))

    async def _put_place(self, safe: Position | None) -> None:
        if safe is None or safe == self._committed:
            return
        async with self._store.transaction() as session:
            await queries.put_journal_position(session, self._archive.pbx, safe, datetime.now(UTC))
        self._committed = safe

    # --- facts

    async def store(self, facts: Sequence[CallFact], position: Position | None = None) -> None:
        """One transaction. A batch that the database refuses is taken apart, so that one bad call costs only itself.

        `position`: the journal needs not be read again before it, once these are stored.
        """
        try:
            await self._commit(facts, position)
        except Exception as error:
            if not lies_in_the_facts(error):
                raise
            await self._store_apart(facts, position)

    async def _store_apart(self, facts: Sequence[CallFact], position: Position | None) -> None:
        """Call by call. No place is safe before all are stored: one of them may have begun before it."""
        by_call: dict[str, list[CallFact]] = {}
        for fact in facts:
            by_call.setdefault(fact.call_id, []).append(fact)
        stored_until = [
            max(fact.at for fact in own)
            for call_id, own in by_call.items()
            if await _alone(call_id, self._commit(own, None, is_part=True))
        ]
        if position is None and stored_until and not self.missed:
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
        for call_id, arrived_at in recorded.open.items():
            self._open[call_id] = arrived_at.timestamp()
        for call_id in recorded.ended:
            self._open.pop(call_id, None)
        await self._announce(recorded)

    # --- after the journal was read

    async def vanished(self, live: Collection[str], awaited: Collection[str]) -> set[str]:
        """Calls that are open here, and neither live nor `awaited` (facts of them are on their way)."""
        async with self._store.reading() as session:
            stored_open = await queries.open_calls(session, self._archive.pbx)
        self._open = {call: at.timestamp() for call, at in stored_open.items() if call in live}
        return {call_id for call_id in stored_open if call_id not in live and call_id not in awaited}

    async def end_vanished(self, call_ids: Collection[str]) -> None:
        """They end by fault."""
        gone = sorted(call_ids)
        try:
            await self._end(gone)
        except Exception as error:
            if not lies_in_the_facts(error):
                raise
            for call_id in gone:
                await _alone(call_id, self._end([call_id]))

    async def _end(self, call_ids: Sequence[str]) -> None:
        async with self._store.transaction() as session:
            recorded = await use_cases.end_vanished(session, self._archive, call_ids)
        await self._announce(recorded)

    async def without_beginning(self, live: Collection[str]) -> set[str]:
        """Those of these calls of which the journal has not told yet who calls."""
        async with self._store.reading() as session:
            return await queries.calls_without_beginning(session, self._archive.pbx, live)


async def _alone(call_id: str, storing: Awaitable[None]) -> bool:
    """Store what concerns one call; False (and logged) where that is not possible."""
    try:
        await storing
    except Exception as error:
        if not lies_in_the_facts(error):
            raise
        _log.exception(
            "a call could not be recorded: report it with these lines of the service's log; "
            "never send the journal itself",
            action="record-failed",
            call_id=call_id,
        )
        return False
    return True
