"""The way to Asterisk's manager interface breaks: our link over it, to the real Asterisk, with a caller on the line."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator

import pytest

from pbx.commands import PauseMember
from pbx.facts import PbxLost
from pbx.link import LinkConfig, NotConnected, OutcomeUnknown
from tests.asterisk.line import Line
from tests.fakes.reader import Reader, linked_to
from tests.faults.tools.ami_path import AmiPath, Way
from tests.faults.tools.effect import FaultWithoutEffect
from tests.faults.tools.namespaces import in_own_network, own_namespaces
from tests.support.sipp import Caller, Phone
from tests.support.wait import until

#: A dead connection is noticed within 3 s, as tests/asterisk/test_session.py shows with the machine to itself; the rest
#: is for a machine that is busy with other tests.
NOTICED_SECONDS = 3.0 + 3.0
RESYNCHRONISED_SECONDS = 5.0 + 3.0


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """In a network of its own, with this thread and everybody who is made in a test."""
    with own_namespaces(network=True), Line(tmp_path_factory.mktemp("line")) as line:
        line.heartbeat()
        yield line


@pytest.fixture
def path(line: Line) -> Iterator[AmiPath]:
    with AmiPath(line.pbx.ports.ami) as path:
        yield path


@pytest.fixture(scope="module")
def conversation(line: Line) -> tuple[Caller, Phone]:
    """A caller and a listener who talk through all that follows."""
    phone = line.listener("l1")
    caller = line.caller(stay=600)
    until(lambda: phone.talks, "they talk")
    return caller, phone


def config_of(line: Line, path: AmiPath) -> LinkConfig:
    secrets = line.pbx.secrets
    return LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=path.port,
        username="service",
        secret=secrets["service"],
        provision_username="provision",
        provision_secret=secrets["provision"],
    )


def pauses(line: Line, reason: str) -> int:
    """How often Asterisk itself was told to pause somebody for this reason."""
    return sum(
        event.get("Event") == "QueueMemberPause" and event.get("PausedReason") == reason
        for event in list(line.ami.events)
    )


async def pause(reader: Reader, reason: str) -> str:
    """`done`, or what we know of it."""
    command = PauseMember(pbx="pbx1", interface="PJSIP/l1", paused=True, reason=reason)
    try:
        await reader.link.send(command)
    except (OutcomeUnknown, NotConnected) as error:
        return error.id
    return "done"


@pytest.mark.parametrize("way", Way)
async def test_half_open_is_noticed_within_three_seconds_said_and_healed_and_no_action_is_sent_twice_or_late(
    line: Line, path: AmiPath, conversation: tuple[Caller, Phone], way: Way
) -> None:
    assert in_own_network()
    reason = f"half-open-{way.name.lower()}"
    async with linked_to(config_of(line, path)) as reader:
        await reader.connected()
        with path.half_open(way) as lost:
            began = time.monotonic()
            asked = asyncio.create_task(pause(reader, reason))
            await reader.until(lambda _: reader.count(PbxLost) == 1, 10)
            noticed = time.monotonic() - began
            assert await asked == "outcome-unknown"
            arrived = int(way is Way.FROM_PBX)
            await asyncio.to_thread(until, lambda: pauses(line, reason) == arrived, "Asterisk was told, or was not")
            await asyncio.sleep(1.0)  # what the kernel still tries to deliver is lost for a while, too
        assert lost.packets > 0
        assert noticed < NOTICED_SECONDS
        said = next(fact for fact in reader.facts if isinstance(fact, PbxLost))
        assert said.reason == "no-answer"
        await reader.connected(times=2)
        await pause(reader, f"{reason}-after")
        await asyncio.to_thread(until, lambda: pauses(line, f"{reason}-after") == 1, "Asterisk takes actions again")
        if way is not Way.FROM_PBX:
            await asyncio.sleep(7.0)  # the kernel's next tries would be over by now
        assert pauses(line, reason) == arrived
        assert pauses(line, f"{reason}-after") == 1
        assert reader.link.state.calls
    caller, phone = conversation
    assert caller.lives
    assert phone.talks


async def test_a_reset_is_noticed_at_once_and_the_next_session_knows_the_call(
    line: Line, path: AmiPath, conversation: tuple[Caller, Phone]
) -> None:
    async with linked_to(config_of(line, path)) as reader:
        await reader.connected()
        calls = set(reader.link.state.calls)
        for nth in range(1, 4):
            path.reset()
            await reader.until(lambda _, nth=nth: reader.count(PbxLost) == nth, 5)  # type: ignore[misc]
            await reader.connected(times=nth + 1)
        assert set(reader.link.state.calls) == calls != set()
    assert conversation[0].lives


async def test_nobody_there_for_a_while_is_told_once_and_found_within_five_seconds_of_its_return(
    line: Line, path: AmiPath
) -> None:
    async with linked_to(config_of(line, path)) as reader:
        await reader.connected()
        with path.refusing() as counts:
            await reader.until(lambda _: reader.count(PbxLost) == 1)
            await asyncio.to_thread(until, lambda: counts.reset >= 8, "it is tried again and again", 30)
        await asyncio.wait_for(reader.connected(times=2), RESYNCHRONISED_SECONDS)
        assert reader.count(PbxLost) == 1


async def test_half_a_second_each_way_loses_nothing_and_repeats_nothing(
    line: Line, path: AmiPath, conversation: tuple[Caller, Phone]
) -> None:
    async with linked_to(config_of(line, path)) as reader:
        await reader.connected()
        with path.slower(delay=0.5):
            began = time.monotonic()
            assert await pause(reader, "late") == "done"
            assert time.monotonic() - began > 0.9
            await reader.until(lambda _: reader.link.state.members["PJSIP/l1"].pause_reason == "late")
        await asyncio.to_thread(until, lambda: pauses(line, "late"), "the witness heard it, too")
        assert pauses(line, "late") == 1
        assert reader.count(PbxLost) == 0


async def test_one_packet_of_twenty_lost_loses_no_action_and_repeats_none(
    line: Line, path: AmiPath, conversation: tuple[Caller, Phone]
) -> None:
    async with linked_to(config_of(line, path)) as reader:
        await reader.connected()
        with path.lossy(5) as lost:
            outcomes = [await pause(reader, f"lossy-{nth}") for nth in range(200)]
        assert lost.packets > 0
        assert outcomes == ["done"] * 200
        await asyncio.to_thread(until, lambda: pauses(line, "lossy-199"), "the witness heard the last one")
        assert [pauses(line, f"lossy-{nth}") for nth in range(200)] == [1] * 200
        assert reader.count(PbxLost) == 0


async def test_a_trickle_of_bytes_is_read_as_it_comes(
    line: Line, path: AmiPath, conversation: tuple[Caller, Phone]
) -> None:
    async with linked_to(config_of(line, path)) as reader:
        await reader.connected()
        with path.slower(rate=1000):
            assert await pause(reader, "trickle") == "done"
            await reader.until(lambda _: reader.link.state.members["PJSIP/l1"].pause_reason == "trickle")
        assert reader.link.odd.lost == 0
        assert reader.count(PbxLost) == 0


def test_a_fault_that_nobody_felt_is_an_error(path: AmiPath) -> None:
    with pytest.raises(FaultWithoutEffect), path.half_open():
        pass
    with pytest.raises(FaultWithoutEffect), path.slower(delay=0.5):
        pass
    with pytest.raises(FaultWithoutEffect):
        path.reset()
    with pytest.raises(FaultWithoutEffect), path.refusing():
        pass


def test_in_a_network_that_leads_somewhere_no_packet_is_touched(line: Line, path: AmiPath) -> None:
    subprocess.run(["ip", "link", "add", "away", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "away"], check=True)
        subprocess.run(["ip", "link", "set", "away", "up"], check=True)
        with pytest.raises(PermissionError), path.half_open():
            pass
    finally:
        subprocess.run(["ip", "link", "delete", "away"], check=True)
