"""Row f: recovery. From the service's start to a board that is right, with 600 live calls in the PBX.

A real Asterisk holds the calls: half of the callers talk to listeners' telephones, half wait. The service is killed
(kill -9) and started again, as its own process. A supervisor's page, signed in before, connects as soon as it can and
is looked at message by message: right is a board with exactly the calls that Asterisk's own list of channels has, each
waiting or talking as there, with the listener who is in its bridge there, the waiting ones ranked 1…n by arrival, and
the line's state "up".
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.bench import crowd, lone_service, processes
from tests.bench.row import Bench, Row, did_not_run
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
_AGAIN_SECONDS: Final = 0.002
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the process' start: modules loaded, pages listen, snapshot seen, board right."""

    loaded: float
    page: float
    right: float


def measure(bench: Bench) -> Sequence[Row]:
    """Two rows of the same starts: from where the service's work begins, and from the process' very start."""
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
        starts = [_start(line, cookie) for _ in range(bench.size.rounds)]
    return _rows(bench, talking, starts)


def _rows(bench: Bench, talking: int, starts: list[Start]) -> list[Row]:
    names = ("recovery, from where the service's work begins", "recovery, from the start of its process")
    if not all(starts):
        return [did_not_run(name, _GOAL, "the board was not right in time") for name in names]
    from_work = statistics.median(start.right - start.loaded for start in starts)
    from_process = statistics.median(start.right for start in starts)
    loaded, page = (statistics.median(getattr(start, what) for start in starts) for what in ("loaded", "page"))
    note = (
        f"median of {len(starts)} starts after kill -9; {bench.size.live_calls} calls, {talking} talking, the others "
        f"waiting; from the process' start: modules loaded {loaded:.2f} s, first page {page:.2f} s, board "
        f"equal to Asterisk's channels after {from_process:.2f} s; worst {max(start.right for start in starts):.2f} s; "
        f"Asterisk itself plays music to who waits; {processes.load()}"
    )
    return [
        Row(
            name=name,
            value=value,
            unit="s",
            goal=_GOAL,
            holds=value <= GOAL_SECONDS,
            n=bench.size.live_calls,
            note=note,
        )
        for name, value in zip(names, (from_work, from_process), strict=True)
    ]


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


def _start(line: LiveLine, cookie: str) -> Start:
    """One start, watched; the service is killed at its end."""
    expected = channels(line.pbx)
    began = time.monotonic()
    service = lone_service.start(line.settings)
    try:
        page, right = asyncio.run(asyncio.wait_for(_watch(line.http_port, cookie, expected), _PATIENCE_SECONDS))
        loaded = processes.told(service)["began"]
    finally:
        service.kill()
        processes.end(service)
    now = channels(line.pbx)
    assert now == expected, "no call changed meanwhile"
    return Start(loaded - began, page - began, right - began)


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
