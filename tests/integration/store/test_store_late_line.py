"""The PBX writes its journal a moment after it tells: a line that comes after the journal was read is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from pbx.facts import CallEnded, CallQueued, EndedBy, PbxConnected, Stage
from service.calls import queries, recorder, replay
from service.calls.model import Call, NumberKind
from service.calls.numbers import CallerNumbers
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive, Recorded
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from tests.support.tasks import end
from tests.unit.pbx.ami_frames import Wire

BEGAN = 1_795_301_760.0
CALL = "9d72c80a-0000-4000-8000-000000000001"


def entered() -> bytes:
    """The journal's line of a caller who hides their number."""
    wire = Wire(CALL)
    wire.at = BEGAN
    wire.step(1, f"entered withheld +33199003133 {BEGAN:.0f}", ("PJSIP/trunk-00000001", "pbx1-1795301760.1"))
    return wire.journal[0]


async def a_record(store: Store) -> Call:
    async with store.reading() as session:
        return (await queries.calls_by_id(session, "pbx1", [CALL]))[CALL]


async def become_known(store: Store) -> Call:
    while (found := await a_record(store)).number_kind is NumberKind.NONE:
        await asyncio.sleep(0.02)
    return found


async def test_a_call_whose_beginning_is_written_after_the_journal_was_read_gets_its_number(
    store: Store, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It entered while nobody was connected; the session's snapshot has it, its line is still in the PBX's hands."""
    monkeypatch.setattr(recorder, "LATE_LINES_SECONDS", 0.05)
    journal, live = tmp_path / "journal.json", [CALL]
    journal.touch()

    async def nobody_looks(_: Recorded) -> None:
        pass

    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    heard = Recorder(store, archive, journal, live=lambda: live, announce=nobody_looks)
    heard.offer([PbxConnected(pbx="pbx1", at=BEGAN + 1, version="22.10.1")])
    heard.offer([CallQueued(pbx="pbx1", call_id=CALL, at=BEGAN + 2, ordinal=2, queue="national")])
    task = asyncio.create_task(heard.run())
    try:
        await heard.settled()
        journal.write_bytes(entered())
        found = await asyncio.wait_for(become_known(store), 5)
        assert found.number_kind is NumberKind.WITHHELD
        assert found.arrived_at.timestamp() == BEGAN
        live.clear()
        heard.offer(
            [CallEnded(pbx="pbx1", call_id=CALL, at=BEGAN + 9, ordinal=3, by=EndedBy.CALLER, stage=Stage.WAITING)]
        )
        await heard.settled()
        assert (await a_record(store)).ended_by is EndedBy.CALLER
    finally:
        await end(task)


@pytest.mark.parametrize("lines", [[], [b"{}\n"]])
async def test_a_beginning_that_is_nowhere_is_not_looked_for_for_ever(
    store: Store, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Sequence[bytes]
) -> None:
    monkeypatch.setattr(recorder, "LATE_LINES_SECONDS", 0.01)
    journal = tmp_path / "journal.json"
    journal.write_bytes(b"".join(lines))

    async def nobody_looks(_: Recorded) -> None:
        pass

    archive = Archive("pbx1", keyring, CallerNumbers(CallerKeyRing(), "FR"))
    heard = Recorder(store, archive, journal, live=lambda: [CALL], announce=nobody_looks)
    heard.offer([PbxConnected(pbx="pbx1", at=BEGAN + 1, version="22.10.1")])
    heard.offer([CallQueued(pbx="pbx1", call_id=CALL, at=BEGAN + 2, ordinal=2, queue="national")])
    task = asyncio.create_task(heard.run())
    try:
        async with asyncio.timeout(5):
            while heard.replays < 1 + replay.LATE_LINES_TRIES:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # none follows
        assert heard.replays == 1 + replay.LATE_LINES_TRIES
        assert heard.complete
    finally:
        await end(task)
