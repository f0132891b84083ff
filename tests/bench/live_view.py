"""Row e: the live view. A change on the manager interface until the last of 1,000 supervisors' sockets has it.

The service is its own process and serves real WebSockets; the sockets are spread over two further processes. A change
is the pause of a listener, told by a manager interface that the bench speaks (Asterisk would take its share of two
cores), so the whole way is measured: session, tracker, world, board, sockets. Memory: after a warm-up, over the rest.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from service.accounts.rights import Role
from service.push.presence import PAGES_AT_ONCE
from tests.bench import lone_service, processes
from tests.bench.row import Bench, Row, did_not_run, quantile
from tests.fakes.ami_server import AmiServer, Connection
from tests.support.free_ports import free_port

GOAL_MS: Final = 100.0
#: Memory is flat when the end of the run needs at most this much more than its beginning.
FLAT: Final = 0.01
_NAME: Final = "live view: change to the last socket, p99"
_GOAL: Final = f"p99 <= {GOAL_MS:g} ms, memory within {FLAT:.0%}"
_MEMBERS: Final = 200
_CLIENTS: Final = 2
_SETTLE_SECONDS: Final = 2.0


@dataclass(slots=True)
class Line:
    """What the PBX of this row says: listeners, and when each of their changes was sent."""

    reasons: dict[int, str] = field(default_factory=lambda: dict.fromkeys(range(1, _MEMBERS + 1), ""))
    sent: dict[int, float] = field(default_factory=dict)

    def _member(self, account: int) -> list[str]:
        reason = self.reasons[account]
        return [
            "Queue: national",
            f"MemberName: l{account}",
            f"Interface: PJSIP/l{account}",
            f"Paused: {int(bool(reason))}",
            f"PausedReason: {reason}",
            "Status: 1",
            "InCall: 0",
        ]

    def answer(self, connection: Connection, action: dict[str, str]) -> None:
        """QueueStatus: everybody as they are now."""
        items = [["Event: QueueMember", *self._member(account)] for account in self.reasons]
        connection.listing(action, items)

    def contacts(self) -> list[list[str]]:
        """Every phone is there."""
        return [["Event: ContactList", f"Endpoint: l{n}", f"Uri: sip:l{n}", "Status: Reachable"] for n in self.reasons]

    def change(self, server: AmiServer, number: int) -> None:
        """Somebody pauses, with a reason that numbers the change."""
        account = number % _MEMBERS + 1
        self.reasons[account] = f"m{number}"
        self.sent[number] = time.monotonic()
        server.event("Event: QueueMemberPause", *self._member(account), f"Timestamp: {time.time():.6f}")


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds per change; the service's resident bytes once a second; its CPU seconds; what went wrong."""

    delays: list[float]
    resident: list[int]
    cpu: float
    seconds: float
    faults: list[str]


def measure(bench: Bench) -> Sequence[Row]:
    """One row."""
    bench.say(_NAME)
    size = bench.size
    found = asyncio.run(_measure(bench))
    if found.faults:
        return [did_not_run(_NAME, _GOAL, "; ".join(found.faults))]
    warm = found.resident[len(found.resident) // 3 :] or found.resident
    half = max(1, len(warm) // 2)
    before, after = statistics.median(warm[:half]), statistics.median(warm[-half:])
    growth = after / before - 1
    p99 = quantile(found.delays, 0.99)
    return [
        Row(
            name=_NAME,
            value=p99,
            unit="ms",
            goal=_GOAL,
            holds=p99 <= GOAL_MS and growth <= FLAT,
            n=len(found.delays),
            note=(
                f"{size.sockets} WebSockets of {_supervisors(size.sockets)} supervisors in {_CLIENTS} processes, "
                f"{size.changes_per_second} changes/s for {found.seconds:.0f} s; all got every change; median "
                f"{statistics.median(found.delays):.1f} ms, worst {max(found.delays):.1f} ms; memory "
                f"{before / 1e6:.1f} MB then {after / 1e6:.1f} MB ({growth:+.2%}, halves after a third of warm-up); "
                f"service {found.cpu / found.seconds:.0%} of a core; {processes.load()}"
            ),
        )
    ]


def _supervisors(sockets: int) -> int:
    """As few as may have so many pages open."""
    return -(-sockets // PAGES_AT_ONCE)


@asynccontextmanager
async def _service(bench: Bench, line: Line) -> AsyncIterator[tuple[AmiServer, int, int, list[str]]]:
    """The manager interface, the service's port and pid, and the supervisors' cookies."""
    folder = bench.folder / "live"
    folder.mkdir()
    people = [(f"supervisor{n}", Role.SUPERVISOR) for n in range(_supervisors(bench.size.sockets))]
    passwords = await lone_service.prepare(folder, people)
    async with AmiServer(secrets=lone_service.secrets_of(folder)) as server:
        server.handlers["QueueStatus"] = line.answer
        server.lists["PJSIPShowContacts"] = line.contacts()
        port = free_port()
        service = lone_service.start(lone_service.write_settings(folder, http_port=port, ami_port=server.port))
        try:
            for _ in ("began", "ready"):
                await asyncio.to_thread(processes.told, service)
            cookies = [
                await asyncio.to_thread(lone_service.sign_in, port, name, word) for name, word in passwords.items()
            ]
            yield server, port, service.pid, cookies
        finally:
            await asyncio.to_thread(processes.end, service)


async def _measure(bench: Bench) -> Measured:
    line, size = Line(), bench.size
    async with _service(bench, line) as (server, port, pid, cookies):
        share = -(-size.sockets // _CLIENTS)
        shares = [min(share, size.sockets - n * share) for n in range(_CLIENTS)]
        clients = [processes.start("tests.bench.live_clients", str(port), str(own), *cookies) for own in shares]
        try:
            opened = [await asyncio.to_thread(processes.told, client) for client in clients]
            assert sum(one["open"] for one in opened) == size.sockets
            began, cpu, resident = time.monotonic(), processes.cpu_seconds(pid), []
            for number in range(int(size.seconds * size.changes_per_second)):
                due = began + number / size.changes_per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                line.change(server, number)
                if number % size.changes_per_second == 0:
                    resident.append(processes.resident_bytes(pid))
            seconds, cpu = time.monotonic() - began, processes.cpu_seconds(pid) - cpu
            await asyncio.sleep(_SETTLE_SECONDS)
            said = [await asyncio.to_thread(_ask, client) for client in clients]
        finally:
            for client in clients:
                await asyncio.to_thread(processes.end, client)
    return Measured(_delays(line, said), resident, cpu, seconds, _faults(line, said, size.sockets))


def _ask(client: Any) -> dict[str, Any]:
    client.stdin.write("\n")
    client.stdin.flush()
    return processes.told(client)


def _delays(line: Line, said: list[dict[str, Any]]) -> list[float]:
    """To the last socket of all, milliseconds."""
    lasts = ({int(number): at for number, at in one["last"].items()} for one in said)
    latest: dict[int, float] = {}
    for last in lasts:
        for number, at in last.items():
            latest[number] = max(latest.get(number, at), at)
    return [(latest[number] - sent) * 1000 for number, sent in line.sent.items() if number in latest]


def _faults(line: Line, said: list[dict[str, Any]], sockets: int) -> list[str]:
    seen = {number: sum(one["seen"].get(str(number), 0) for one in said) for number in line.sent}
    missed = sum(1 for count in seen.values() if count != sockets)
    faults = [f"{missed} changes did not reach every socket once"] if missed else []
    totals = {what: sum(one[what] for one in said) for what in ("refetches", "closed")}
    return faults + [f"{what}: {total}" for what, total in totals.items() if total]
