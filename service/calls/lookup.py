"""Looking up what is known of a caller while the phone has not rung yet. Beside the pipeline: it never waits for this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.known import KnownCaller
from service.calls.model import NumberKind
from service.calls.numbers import CallerNumbers
from service.cases import use_cases as cases
from service.keys import Keyring
from service.store.engine import Store

#: calls that may wait to be looked up; one that finds no room is shown as "not known" until the next tick asks again
QUEUE_LIMIT: Final = 512

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Question:
    call_id: str
    token: str


class Lookup:
    """`tell`: called on the event loop with what was found."""

    def __init__(
        self, store: Store, keyring: Keyring, numbers: CallerNumbers, tell: Callable[[str, KnownCaller], None]
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._numbers = numbers
        self._tell = tell
        self._queue: asyncio.Queue[_Question] = asyncio.Queue(QUEUE_LIMIT)
        self._asked: set[str] = set()

    def ask(self, call_id: str, token: str) -> None:
        """Look this caller up soon. Asked twice, looked up once."""
        if call_id in self._asked or self._queue.full():
            return
        self._asked.add(call_id)
        self._queue.put_nowait(_Question(call_id, token))

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            question = await self._queue.get()
            try:
                self._tell(question.call_id, await self._answer(question))
            except Exception as error:
                _log.warning("a caller could not be looked up", action="lookup-failed", error=type(error).__name__)
                await asyncio.sleep(0.2)
            finally:
                self._asked.discard(question.call_id)

    async def _answer(self, question: _Question) -> KnownCaller:
        index = self.index_of(question.token)
        if index is None:
            return KnownCaller("anonymous", shown={"number": "anonymous"})
        async with self._store.reading() as session:
            return await known_caller(session, index, question.call_id)

    def index_of(self, token: str) -> str | None:
        """Blind index of the caller's number; None for an anonymous caller."""
        opened = self._numbers.open(token)
        if opened.kind is not NumberKind.GIVEN or opened.number is None:
            return None
        return self._keyring.blind_index(opened.number)


async def known_caller(session: AsyncSession, index: str, call_id: str) -> KnownCaller:
    """What is known of a number, apart from this very call."""
    known = await cases.known(session, index, except_call=call_id)
    return KnownCaller(
        number=known.number,
        shielded=known.shielded,
        departments=frozenset(case.department for case in known.cases if case.department),
        shown=known.model_dump(mode="json"),
    )
