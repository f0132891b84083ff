"""Row f: recovery. From the service's start to a board that is right, with 600 live calls in the PBX.

A real Asterisk holds the calls: half of the callers talk to listeners' telephones, half wait. The service is killed
(kill -9) and started again, as its own process. A supervisor's page, signed in before, connects as soon as it can and
is looked at message by message: right is a board with exactly the calls that Asterisk's own list of channels has, each
waiting or talking as there, with the listener who is in its bridge there, the waiting ones ranked 1…n by arrival, and
the line's state "up".

Two rows: a service of `ecoute serve` that is killed and replaced by its keeper, from the kill on; and a start from
nothing, Python's modules included.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from service.cli.keeper import SHORT_LIFE_SECONDS
from tests.bench import crowd, lone_service, processes
from tests.bench.row import Bench, Row
from tests.integration.live.line import LiveLine
from tests.support.pbx import PbxUnderTest
from tests.support.wait import until
from tests.support.witness import Witness

GOAL_SECONDS: Final = 1.0
_GOAL: Final = f"<= {GOAL_SECONDS:g} s"
_CALLS_PER_SECOND: Final = 20
#: 900 legs need two ports of audio each, more than a test's own block of ports has
_MANY_LEGS: Final = {"rtp_start": 33000, "rtp_end": 39998}
#: columns of `core show channels concise`; a listener's leg is named after their phone
_ACCOUNT: Final = 8
_BRIDGE: Final = 12
_MEMBER: Final = re.compile(r"PJSIP/l(\d+)-")
#: of a call in a bridge without a listener
_NOBODY: Final = 0
#: each service is seen for so long before it is killed
_SETTLED_SECONDS: Final = SHORT_LIFE_SECONDS + 1.0
_AGAIN_SECONDS: Final = 0.002
_PATIENCE_SECONDS: Final = 60.0


def measure(bench: Bench) -> Sequence[Row]:
    """Two rows: a service that is killed, and one that is started from nothing."""
    folder = bench.folder / "recovery"
    folder.mkdir()
    bench.say(f"recovery: {bench.size.live_calls} live calls")
    talking = bench.size.live_calls // 2
    with LiveLine(folder, listeners=1, site=_MANY_LEGS) as line:
        cookie = lone_service.sign_in(line.http_port, "supervisor", line.passwords["supervisor"])
        line.kill_service()
        ids, _phone = crowd.join(line, talking, folder)
        line.start_service()
        line.pbx.add_manager("bench", "bench-secret", "read =\nwrite = all\n")
        with Witness(line.pbx.ports.ami, "bench", "bench-secret") as witness:
            crowd.serve(witness, list(ids.values()))
        line.caller(calls=bench.size.live_calls, rate=_CALLS_PER_SECOND, stay=900)
        seconds = 60 + bench.size.live_calls / _CALLS_PER_SECOND
        until(lambda: _settled(line.pbx, bench.size.live_calls, talking), "all calls wait or talk", seconds)
        line.kill_service()
        replaced = _replaced(line, cookie, bench.size.rounds)
        started = [_start(line, cookie) for _ in range(bench.size.rounds)]
    return _rows(bench, talking, replaced, started)


def _rows(
    bench: Bench, talking: int, replaced: list[tuple[float, float]], started: list[tuple[float, float]]
) -> list[Row]:
    calls = f"{bench.size.live_calls} calls, {talking} talking, the others waiting"
    return [
        _row(
            bench,
            "recovery, from kill -9 of the service: the keeper's next one",
            replaced,
            f"{calls}; the service of `ecoute serve`; Asterisk itself plays music to who waits; {processes.load()}",
        ),
        _row(
            bench,
            "recovery, from the start of `ecoute serve`, modules and all",
            started,
            f"{calls}; {processes.load()}",
        ),
    ]


def _row(bench: Bench, name: str, found: list[tuple[float, float]], note: str) -> Row:
    """`found`: seconds to the first message to a page, and to a right board."""
    page, right = (statistics.median(times) for times in zip(*found, strict=True))
    each = ", ".join(f"{right:.2f}" for _, right in found)
    return Row(
        name=name,
        value=right,
        unit="s",
        goal=_GOAL,
        holds=right <= GOAL_SECONDS,
        n=bench.size.live_calls,
        note=f"median of {len(found)}: {each} s; first page after {page:.2f} s; {note}",
    )


# --- what Asterisk has ----------------------------------------------------------------------------------------------


def channels(pbx: PbxUnderTest) -> dict[str, int | None]:
    """Call id → who talks to the caller, None for who waits: from Asterisk's own console, by the legs' bridges."""
    lines = [line.split("!") for line in pbx.console("core show channels concise").splitlines()]
    legs = [(leg, _MEMBER.match(leg[0])) for leg in lines if len(leg) > _BRIDGE]
    talks = {leg[_BRIDGE]: int(member[1]) for leg, member in legs if member and leg[_BRIDGE]}
    callers = [leg for leg, member in legs if leg[_ACCOUNT] and not member]
    return {leg[_ACCOUNT]: talks.get(leg[_BRIDGE], _NOBODY) if leg[_BRIDGE] else None for leg in callers}


def _settled(pbx: PbxUnderTest, calls: int, talking: int) -> bool:
    time.sleep(0.5)
    found = list(channels(pbx).values())
    return len(found) == calls and len([listener for listener in found if listener]) == talking


# --- a start --------------------------------------------------------------------------------------------------------


@contextmanager
def _served(line: LiveLine) -> Iterator[subprocess.Popen[bytes]]:
    """`ecoute serve`, as whoever starts the machine's services starts it."""
    keeper = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve", "--config", str(line.settings)],
        stdout=subprocess.DEVNULL,
        env=processes.environment(),
    )
    try:
        yield keeper
    finally:
        keeper.terminate()
        keeper.wait(30)


def _replaced(line: LiveLine, cookie: str, rounds: int) -> list[tuple[float, float]]:
    """Seconds from the kill to the first message to a page, and to a right board."""
    found: list[tuple[float, float]] = []
    expected = channels(line.pbx)
    with _served(line) as keeper:
        asyncio.run(_right(line, cookie, expected))
        for _ in range(rounds):
            time.sleep(_SETTLED_SECONDS)  # a service that dies young is replaced after a pause
            victim, began = _kept_by(keeper.pid), time.monotonic()
            os.kill(victim, signal.SIGKILL)
            page, right = asyncio.run(_right(line, cookie, expected))
            assert _kept_by(keeper.pid) != victim
            found.append((page - began, right - began))
    assert channels(line.pbx) == expected, "no call changed meanwhile"
    return found


def _kept_by(keeper: int) -> int:
    """The service's process: proc_pid_task(5)."""
    (pid,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return int(pid)


async def _right(line: LiveLine, cookie: str, expected: dict[str, int | None]) -> tuple[float, float]:
    return await asyncio.wait_for(_watch(line.http_port, cookie, expected), _PATIENCE_SECONDS)


def _start(line: LiveLine, cookie: str) -> tuple[float, float]:
    """Seconds from the command to the first message to a page, and to a right board."""
    expected, began = channels(line.pbx), time.monotonic()
    with _served(line):
        page, right = asyncio.run(_right(line, cookie, expected))
    assert channels(line.pbx) == expected, "no call changed meanwhile"
    return page - began, right - began


async def _watch(port: int, cookie: str, expected: dict[str, int | None]) -> tuple[float, float]:
    """When the first message came, and when the board was right."""
    origin = f"http://127.0.0.1:{port}"
    headers = {"Origin": origin, "Cookie": cookie}
    async with aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError, OSError):
                async with session.ws_connect(f"{origin}/api/v1/live", headers=headers) as socket:
                    return await _read(socket, expected)
            await asyncio.sleep(_AGAIN_SECONDS)


async def _read(socket: aiohttp.ClientWebSocketResponse, expected: dict[str, int | None]) -> tuple[float, float]:
    first = 0.0
    entities: dict[tuple[str, str], Any] = {}
    async for message in socket:
        now = time.monotonic()
        first = first or now
        for entity in message.json().get("entities", []):
            entities[entity["kind"], entity["id"]] = entity["value"]
        if _is_right(entities, expected):
            return first, now
    raise ConnectionError("the page was closed")


def _is_right(entities: dict[tuple[str, str], Any], expected: dict[str, int | None]) -> bool:
    shown = {kind: [value for (of, _), value in entities.items() if of == kind and value] for kind in ("line", "call")}
    if [line["state"] for line in shown["line"]] != ["up"]:
        return False
    if {call["call_id"]: call["listener_id"] for call in shown["call"]} != expected:
        return False
    if any(not _is_placed(call, talks=expected[call["call_id"]] is not None) for call in shown["call"]):
        return False
    waiting = sorted((call["position"], call["arrived_at"]) for call in shown["call"] if call["stage"] == "waiting")
    ranks = [position for position, _ in waiting] == list(range(1, len(waiting) + 1))
    in_order = [arrived for _, arrived in waiting] == sorted(arrived for _, arrived in waiting)
    return ranks and in_order


def _is_placed(call: dict[str, Any], *, talks: bool) -> bool:
    """Where Asterisk has the caller; a conversation with its beginning, which is after the caller came."""
    if not talks:
        return bool(call["stage"] == "waiting")
    return call["stage"] == "talking" and call["answered_at"] is not None and call["answered_at"] > call["arrived_at"]
