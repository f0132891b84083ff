"""Our session with the real Asterisk, and the witness beside it: what both say of the same moment."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest

from pbx.commands import AddMember, PauseMember
from pbx.facts import PbxConnected, PbxLost
from pbx.link import LinkConfig
from tests.fakes.reader import Reader, linked_to
from tests.support.pbx import PbxUnderTest, start_test_pbx
from tests.support.wait import until
from tests.support.witness import Witness


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxUnderTest]:
    with start_test_pbx(tmp_path_factory.mktemp("pbx"), sounds=False) as pbx:
        pbx.add_manager("witness", "witness")
        yield pbx


def config_of(pbx: PbxUnderTest) -> LinkConfig:
    return LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=pbx.ports.ami,
        username="service",
        secret=pbx.secrets["service"],
        provision_username="provision",
        provision_secret=pbx.secrets["provision"],
    )


def _is_paused(reader: Reader, reason: str) -> bool:
    member = reader.link.state.members.get("PJSIP/l1")
    return member is not None and member.pause_reason == reason


async def test_what_we_ask_for_and_hear_is_what_the_witness_hears(pbx: PbxUnderTest) -> None:
    with Witness(pbx.ports.ami, "witness", "witness") as witness:
        async with linked_to(config_of(pbx)) as reader:
            await reader.connected()
            await reader.link.send(AddMember(pbx="pbx1", queue="national", interface="PJSIP/l1", name="1"))
            await reader.link.send(PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason="coffee"))
            await reader.until(lambda _: _is_paused(reader, "coffee"))
            paused = await asyncio.to_thread(witness.event, "QueueMemberPause", Interface="PJSIP/l1")
            assert (paused["Paused"], paused["PausedReason"], paused["Queue"]) == ("1", "coffee", "national")
            assert reader.link.odd.lost == 0


@pytest.mark.alone  # seconds that are measured
async def test_a_pbx_that_stands_still_is_left_within_three_seconds_and_found_again(pbx: PbxUnderTest) -> None:
    async with linked_to(config_of(pbx)) as reader:
        await reader.connected()
        os.kill(pbx.running.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            await reader.until(lambda _: reader.count(PbxLost) == 1, 10)
            noticed = time.monotonic() - began
        finally:
            os.kill(pbx.running.pid, signal.SIGCONT)
        assert noticed < 3.0 + 0.3
        await reader.connected(times=2)
        lost = next(fact for fact in reader.facts if isinstance(fact, PbxLost))
        assert lost.reason == "no-answer"


async def test_a_pbx_that_is_killed_is_lost_at_once_and_its_successor_is_found(pbx: PbxUnderTest) -> None:
    async with linked_to(config_of(pbx)) as reader:
        await reader.connected()
        # an Asterisk tells its start by the second and starts in half of one: its successor may have started in it too
        second = int(time.time())
        await asyncio.to_thread(until, lambda: int(time.time()) > second, "another second")
        pbx.kill()
        await reader.until(lambda _: reader.count(PbxLost) == 1)
        (lost,) = [fact for fact in reader.facts if isinstance(fact, PbxLost)]
        assert lost.reason == "connection-lost", "by its sockets: not by an answer that does not come"
        await asyncio.to_thread(pbx.start_again)
        await reader.until(lambda _: reader.count(PbxConnected) == 2, 30)
        (_, back) = [fact for fact in reader.facts if isinstance(fact, PbxConnected)]
        assert back.restarted
