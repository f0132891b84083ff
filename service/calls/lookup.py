"""Looking up what is known of a caller, before a phone rings. Beside the pipeline, which never waits for this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.known import ANONYMOUS, KnownCaller
from service.calls.model import NumberKind
from service.calls.numbers import CallerNumbers
from service.cases import queries as case_queries
from service.cases import use_cases as cases
from service.cases.schemas import Known
from service.keys import Keyring
from service.store.engine import Store

#: questions (or shown offers) that may wait; a question that finds no room is asked again by the next tick
QUEUE_LIMIT: Final = 512
#: offers in one transaction: others wait for the trail meanwhile
AUDITS_AT_ONCE: Final = 50
_PAUSE_AFTER_FAILURE_SECONDS: Final = 0.2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """Who calls? `account_id`: for this listener, to whom one of the cases is closed; None: for everybody else."""

    call_id: str
    token: str
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """Cases were shown to a listener whose phone rings: this goes on the audit trail."""

    account_id: int
    known: Known
    at: datetime


async def caller_of(session: AsyncSession, number_index: str, *, account_id: int | None, call_id: str) -> KnownCaller:
    """What is known of a number, as a phone begins to ring: each part found by index alone."""
    known = await cases.known(session, number_index, account_id=account_id, call_id=call_id)
    closed_to = await case_queries.closed_to_of_number(session, number_index) if known.cases else set()
    return KnownCaller(known, frozenset(closed_to))


class Lookup:
    """`tell`: called on the event loop with what was found; set by `app.py`."""

    def __init__(self, store: Store, keyring: Keyring, numbers: CallerNumbers) -> None:
        self.tell: Callable[[Question, KnownCaller], None] = _to_nobody
        self._store = store
        self._keyring = keyring
        self._numbers = numbers
        self._questions: asyncio.Queue[Question] = asyncio.Queue(QUEUE_LIMIT)
        self._shown: asyncio.Queue[Shown] = asyncio.Queue(QUEUE_LIMIT)
        self._at_hand: list[Shown] = []  #: being put on the trail
        self._asked: set[Question] = set()
        self._changes = 0  #: of what is known of callers, by people

    def ask(self, question: Question) -> None:
        """Look this caller up soon. Asked twice, looked up once."""
        if question not in self._asked and not self._questions.full():
            self._asked.add(question)
            self._questions.put_nowait(question)

    def outdate(self) -> None:
        """What is known of callers changed, and is committed: no answer that was read before is told."""
        self._changes += 1

    def shown(self, account_id: int, known: Known) -> None:
        """An offer with cases was shown."""
        try:
            self._shown.put_nowait(Shown(account_id, known, datetime.now(UTC)))
        except asyncio.QueueFull:
            _audit_lost(account_id)

    async def settled(self, within: float) -> None:
        """At the end of the service: all that was shown is on the trail, or told as lost after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._shown.join()
        except TimeoutError:
            waiting = [self._shown.get_nowait() for _ in range(self._shown.qsize())]
            for account_id in sorted({shown.account_id for shown in (*self._at_hand, *waiting)}):
                _audit_lost(account_id)

    async def run(self) -> None:
        """Answer until cancelled. No question waits for the trail, which waits for whoever writes."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._answer_all())
            tasks.create_task(self._audit_all())

    async def _answer_all(self) -> None:
        while True:
            question = await self._questions.get()
            try:
                self.tell(question, await self._answer(question))
            except Exception as error:
                _log.warning("a caller could not be looked up", action="lookup-failed", error=type(error).__name__)
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
            finally:
                self._asked.discard(question)

    async def _audit_all(self) -> None:
        while True:
            items = self._at_hand = [await self._shown.get()]
            while len(items) < AUDITS_AT_ONCE and not self._shown.empty():
                items.append(self._shown.get_nowait())
            while True:
                try:
                    await self._audit(items)
                except Exception as error:
                    name = type(error).__name__
                    _log.warning("what was shown is not on the audit trail yet", action="audit-delayed", error=name)
                    await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
                else:
                    break
            for _ in items:
                self._shown.task_done()
            self._at_hand = []

    async def _answer(self, question: Question) -> KnownCaller:
        """As it is when it is told: a number may be shielded while it is looked up."""
        while True:
            changes = self._changes
            found = await self._read(question)
            if changes == self._changes:
                return found

    async def _read(self, question: Question) -> KnownCaller:
        index = self.index_of(question.token)
        if index is None:
            return KnownCaller(ANONYMOUS)
        async with self._store.reading() as session:
            return await caller_of(session, index, account_id=question.account_id, call_id=question.call_id)

    async def _audit(self, items: Sequence[Shown]) -> None:
        async with self._store.transaction() as session:
            for item in items:
                await cases.audit_offer(session, self._keyring, item.known, account_id=item.account_id, at=item.at)

    def index_of(self, token: str) -> str | None:
        """Blind index of the caller's number; None for an anonymous caller."""
        opened = self._numbers.open(token)
        if opened.kind is not NumberKind.GIVEN or opened.number is None:
            return None
        return self._keyring.blind_index(opened.number)


def _audit_lost(account_id: int) -> None:
    _log.error("an offer that was shown is not on the audit trail", action="audit-lost", account_id=account_id)


def _to_nobody(_question: Question, _known: KnownCaller) -> None:
    """Before `app.py` connected the pages."""
