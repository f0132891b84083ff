"""Row g: the idle cost. Memory and CPU of the service with 600 signed-in listeners and no call.

A real Asterisk with 600 registered telephones (sipp, whose contacts Asterisk qualifies), 600 sessions with a live
socket each, all of them members of the national queue. Measured over at least a minute, and counted up to an hour.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Final

from tests.bench import crowd, processes
from tests.bench.row import Bench, Row
from tests.integration.live.line import LiveLine
from tests.support.wait import until
from tests.support.witness import Witness

_GOAL: Final = "reported"
_SETTLE_SECONDS: Final = 5.0


def measure(bench: Bench) -> Sequence[Row]:
    """A row for the processor, one for memory; neither has a goal to miss."""
    folder = bench.folder / "idle"
    folder.mkdir()
    listeners = bench.size.idle_listeners
    bench.say(f"idle: {listeners} signed-in listeners")
    with LiveLine(folder, listeners=1) as line:
        line.kill_service()
        ids, _phone = crowd.join(line, listeners, folder)
        line.start_service()
        line.pbx.add_manager("bench", "bench-secret", "read =\nwrite = all\n")
        with Witness(line.pbx.ports.ami, "bench", "bench-secret") as witness:
            crowd.serve(witness, list(ids.values()))
        assert line.service is not None
        alone = processes.resident_bytes(line.service.pid)
        cookies = crowd.sign_in(line, list(ids))
        pages = processes.start("tests.bench.live_clients", str(line.http_port), str(listeners), *cookies)
        try:
            opened = processes.told(pages)["open"]
            supervisor = line.page("supervisor")
            until(lambda: _free(supervisor.all("listener")) == listeners, "everybody is free on the board", 60)
            supervisor.close_live()
            time.sleep(_SETTLE_SECONDS)
            return _measured(line.service.pid, bench.size.seconds, opened, alone)
        finally:
            processes.end(pages)


def _free(listeners: Sequence[dict[str, str]]) -> int:
    return sum(listener["state"] == "free" for listener in listeners)


def _measured(pid: int, seconds: float, listeners: int, alone: int) -> list[Row]:
    began, cpu = time.monotonic(), processes.cpu_seconds(pid)
    resident: list[int] = []
    while time.monotonic() < began + seconds:
        time.sleep(1)
        resident.append(processes.resident_bytes(pid))
    took, used = time.monotonic() - began, processes.cpu_seconds(pid) - cpu
    note = (
        f"{listeners} listeners signed in, registered, members of the queue, a live socket each, no call; over "
        f"{took:.0f} s, counted up to an hour; before they signed in {alone / 1e6:.0f} MB; the telephones' OPTIONS are "
        f"Asterisk's own work; {processes.load()}"
    )
    return [
        Row(
            name="idle cost: processor per hour",
            value=used / took * 3600,
            unit="CPU s/h",
            goal=_GOAL,
            holds=True,
            n=listeners,
            note=note,
        ),
        Row(
            name="idle cost: memory",
            value=statistics.median(resident) / 1e6,
            unit="MB resident",
            goal=_GOAL,
            holds=True,
            n=listeners,
            note=note,
        ),
    ]
