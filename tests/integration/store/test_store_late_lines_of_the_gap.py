"""A gap ends a moment before the PBX has written its last lines: what they tell is in the books all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pbx.facts import (
    AnsweredVia,
    CallAnswered,
    CallEnded,
    CallEntered,
    CallFact,
    CallQueued,
    EndedBy,
    PbxConnected,
    PbxLost,
    Stage,
)
from pbx.journal import Position
from service.accounts.rights import Role
from service.calls import queries, recorder
from service.calls.model import Call, Reason, Result
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.cases.model import CaseNumber, Contact
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import Hire
from tests.support.caller_tokens import KEY, ring, token
from tests.support.tasks import end
from tests.unit.pbx.ami_frames import Wire

BASE = 1_795_301_760.0


def call_id(n: int) -> str:
    return f"9d72c80a-0000-4000-8000-{n:012d}"


def trunk(n: int) -> tuple[str, str]:
    """The caller's channel."""
    return f"PJSIP/trunk-{n:08x}", f"pbx1-{BASE:.0f}.{n}"


@dataclass
class Gap:
    """A recorder, the store, the journal beside it, the ids of the calls that the PBX has, and a listener."""

    recorder: Recorder
    store: Store
    journal: Path
    live: list[str]
    interface: str

    def wire(self, n: int, at: float) -> Wire:
        wire = Wire(call_id(n))
        wire.at = at
        return wire

    def write(self, n: int, wire: Wire) -> None:
        with self.journal.open("ab") as file:
            file.writelines(line.replace(b"pbx1-100.0", trunk(n)[1].encode()) for line in wire.journal)

    def written(self, n: int, at: float, *steps: str) -> None:
        """Steps of the caller's channel."""
        wire = self.wire(n, at)
        for step in steps:
            number, words = step.split(" ", 1)
            wire.step(int(number), words, trunk(n))
        self.write(n, wire)

    def conversation_written(self, n: int, at: float) -> None:
        """The listener takes the call that waits as its second step."""
        wire, leg = self.wire(n, at), (f"{self.interface}-00000031", f"pbx1-{BASE:.0f}.31")
        wire.step(3, f"connecting national {self.interface} {leg[0]}", leg)
        wire.bridge(trunk(n))
        self.write(n, wire)

    async def waits(self, n: int, at: float) -> None:
        """A caller who is heard and written as they come into the queue."""
        self.live.append(call_id(n))
        self.written(n, at, f"1 entered none +33199003133 {at:.0f}", "2 queued national")
        of_it: dict[str, Any] = {"pbx": "pbx1", "call_id": call_id(n)}
        entered = CallEntered(
            **of_it, at=at + 0.25, ordinal=1, line="+33199003133", caller_token="none", arrived=int(at)
        )
        await self.told(entered, CallQueued(**of_it, at=at + 0.5, ordinal=2, queue="national"))

    async def told(self, *facts: CallFact) -> None:
        self.recorder.offer(facts)
        await self.recorder.settled()

    async def over(self, at: float) -> None:
        """The PBX is heard again, and the journal was read for the first time."""
        readings = self.recorder.replays
        self.recorder.offer([PbxLost(pbx="pbx1", at=at - 2, reason="closed")])
        self.recorder.offer([PbxConnected(pbx="pbx1", at=at, version="22.10.1")])
        await self.recorder.settled()
        assert self.recorder.replays == readings + 1

    async def complete(self) -> None:
        """It was read as often as it had to be."""
        async with asyncio.timeout(10):
            while not self.recorder.complete:
                await asyncio.sleep(0.01)

    async def call(self, n: int) -> Call:
        async with self.store.reading() as session:
            return (await queries.calls_by_id(session, "pbx1", [call_id(n)]))[call_id(n)]

    async def place(self) -> Position:
        async with self.store.reading() as session:
            return await queries.journal_position(session, "pbx1")

    async def count(self, model: Any) -> int:
        async with self.store.reading() as session:
            return await session.scalar(select(func.count()).select_from(model)) or 0


@pytest.fixture
async def gap(
    store: Store, keyring: Keyring, hire: Hire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gap]:
    monkeypatch.setattr(recorder, "LATE_LINES_SECONDS", 0.3)

    async def nobody_looks(_: Recorded) -> None:
        pass

    listener = await hire("camille", Role.LISTENER)
    journal, live = tmp_path / "journal.json", list[str]()
    journal.touch()
    archive = Archive("pbx1", keyring, CallerNumbers(ring(("k1", KEY)), "FR"))
    made = Recorder(store, archive, journal, live=lambda: live, announce=nobody_looks)
    task = asyncio.create_task(made.run())
    made.offer([PbxConnected(pbx="pbx1", at=BASE, version="22.10.1")])
    await made.settled()
    yield Gap(made, store, journal, live, f"PJSIP/l{listener.account_id}")
    await end(task)


async def test_a_caller_who_leaves_in_the_gap_and_whose_line_comes_late_left_by_themselves(gap: Gap) -> None:
    await gap.waits(1, BASE + 100)
    gap.live.clear()
    await gap.over(BASE + 112)
    assert (await gap.call(1)).ended_at is None, "nobody knows yet how it ended"
    gap.written(1, BASE + 111, "3 ended caller waiting")
    await gap.complete()
    call = await gap.call(1)
    assert (call.result, call.reason, call.ended_by) == (Result.ABANDONED, Reason.LEFT_WAITING, EndedBy.CALLER)


async def test_a_caller_who_came_and_left_in_the_gap_and_whose_last_line_comes_late_left_by_themselves(
    gap: Gap,
) -> None:
    gap.written(1, BASE + 100, f"1 entered none +33199003133 {BASE + 100:.0f}", "2 queued national")
    await gap.over(BASE + 112)
    gap.written(1, BASE + 111, "3 ended caller waiting")
    await gap.complete()
    assert (await gap.call(1)).ended_by is EndedBy.CALLER


async def test_a_call_whose_end_is_in_no_line_ended_by_fault_when_the_journal_was_read_again(gap: Gap) -> None:
    await gap.waits(1, BASE + 100)
    gap.written(2, BASE + 101, f"1 entered none +33199003133 {BASE + 101:.0f}", "2 queued national")
    gap.live.clear()
    await gap.over(BASE + 112)
    await gap.complete()
    readings = gap.recorder.replays
    for n in (1, 2):
        call = await gap.call(n)
        assert (call.result, call.reason, call.ended_by) == (Result.FAULT, Reason.PBX_DIED, EndedBy.FAULT)
    await asyncio.sleep(2 * recorder.LATE_LINES_SECONDS)  # none follows
    assert gap.recorder.replays == readings


async def test_a_conversation_that_began_in_the_gap_and_whose_lines_come_late_has_its_contact(gap: Gap) -> None:
    await gap.waits(1, BASE + 101)
    await gap.over(BASE + 112)
    gap.conversation_written(1, BASE + 111)
    await gap.complete()
    assert await gap.count(Contact) == 1, "while they talk: the listener needs their notes and the case"
    gap.live.clear()
    gone = {"by": EndedBy.CALLER, "stage": Stage.TALKING}
    await gap.told(CallEnded(pbx="pbx1", call_id=call_id(1), at=BASE + 181, ordinal=4, **gone))  # type: ignore[arg-type]
    call = await gap.call(1)
    assert (call.result, call.reason) == (Result.ANSWERED, Reason.CALLER_ENDED)


async def test_a_conversation_is_found_though_the_call_ended_before_the_journal_was_read_again(gap: Gap) -> None:
    await gap.waits(1, BASE + 101)
    await gap.over(BASE + 112)
    gap.live.clear()
    gone = {"by": EndedBy.CALLER, "stage": Stage.TALKING}
    await gap.told(CallEnded(pbx="pbx1", call_id=call_id(1), at=BASE + 113, ordinal=4, **gone))  # type: ignore[arg-type]
    gap.conversation_written(1, BASE + 111)
    await gap.complete()
    call = await gap.call(1)
    assert (call.result, call.reason) == (Result.ANSWERED, Reason.CALLER_ENDED)
    assert await gap.count(Contact) == 1


async def test_no_place_moves_before_the_journal_was_read_again(gap: Gap) -> None:
    await gap.waits(1, BASE + 100)
    gap.live.clear()
    await gap.over(BASE + 112)
    gap.recorder.sample(BASE + 113)
    await gap.waits(2, BASE + 150)
    gap.written(2, BASE + 155, "3 ended caller waiting")
    gap.live.clear()
    gone = {"by": EndedBy.CALLER, "stage": Stage.WAITING}
    await gap.told(CallEnded(pbx="pbx1", call_id=call_id(2), at=BASE + 156, ordinal=3, **gone))  # type: ignore[arg-type]
    assert (await gap.place()).offset == 0, "that is where the call began whose end is looked for"
    await gap.complete()
    assert (await gap.place()).offset == gap.journal.stat().st_size


async def test_a_gap_that_leaves_nothing_open_is_read_once(gap: Gap) -> None:
    await gap.over(BASE + 112)
    assert gap.recorder.complete


async def test_an_answer_heard_before_the_snapshot_gets_its_number_from_the_journal(gap: Gap, keyring: Keyring) -> None:
    gap.live.append(call_id(1))
    entered = f"1 entered {token('0639980101')} +33199003133 {BASE + 100:.0f}"
    gap.written(1, BASE + 100, entered, "2 queued national")
    answer = {"interface": gap.interface, "via": AnsweredVia.QUEUE, "queue": "national"}
    await gap.told(CallAnswered(pbx="pbx1", call_id=call_id(1), at=BASE + 120, ordinal=3, **answer))  # type: ignore[arg-type]
    await gap.over(BASE + 121)
    await gap.complete()
    assert (await gap.call(1)).number is None
    assert await gap.count(CaseNumber) == 1
    async with gap.store.reading() as session:
        contact = (await session.scalars(select(Contact))).one()
    assert contact.number_index == keyring.blind_index("+33639980101")
