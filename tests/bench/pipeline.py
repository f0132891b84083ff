"""Row b: the pipeline. Bytes from the PBX to stored records, against panoramisk plus cacofonisk, which stores nothing.

Both read the same recorded stream of real calls from the same server over a real socket, each in a process of its own,
as fast as it reads; CPU time of the whole process. Ours is the service as it runs: session, tracker, world, pages'
board, decisions, lookups, recorder, SQLite file, until every call's record is committed. What each found is compared
with what callers and phones saw.

Not in it: the PBX's journal (the played one writes none, so that there is nothing to read or to purge), pages (none is
connected: the board changes, and nothing is sent), and work for the audit trail: each caller has a number of their own,
so that no offer shows a case. The note counts the trail's entries.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import uvloop

from pbx import site
from pbx.layout import Layout
from service import log
from service.app import build
from service.settings import load
from tests.bench import processes
from tests.bench.peers import environment
from tests.bench.recording import Recording, record
from tests.bench.row import Bench, Row, did_not_run, interleaved
from tests.fakes.ami_server import AmiServer, Connection
from tests.support.free_ports import free_port

GOAL: Final = 1.0
WANTED: Final = 2.0
_NAME: Final = "pipeline: bytes to stored call records"
_PEER: Final = "panoramisk 1.4 + cacofonisk 0.7.10, storing nothing"
_END: Final = b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"
_PIECE: Final = 1 << 16
_numbers = count(1)


def measure(bench: Bench) -> Sequence[Row]:
    """One row; the goal is 1 x, what is wanted next is 2 x."""
    recording = record(bench)
    python = environment.ensure()
    bench.say(_NAME)
    stream = recording.everything.read_bytes()
    wrong: list[str] = []
    audited: list[int] = []
    cpu: dict[str, list[float]] = {"ours": [], "theirs": []}

    def rate(who: str) -> float:
        found = asyncio.run(_round(who, recording, bench.folder, stream, python))
        audited.append(found.get("audited", 0))
        if (found["calls"], found["answered"]) != (recording.calls, recording.answered):
            wrong.append(f"{who}: {found['calls']} calls, {found['answered']} answered")
        cpu[who].append(found["seconds"])
        return float(recording.calls / found["seconds"])

    rates = interleaved(bench.size.rounds, {who: partial(rate, who) for who in cpu})
    goal = f">= {GOAL:g} x, then {WANTED:g} x"
    if any(line.startswith("ours") for line in wrong):
        return [did_not_run(_NAME, goal, f"records are not right: {wrong}")]
    ratio = rates["ours"] / rates["theirs"]
    found = (
        f"cacofonisk differs from the phones: {wrong[0]}" if wrong else "both found the same calls as the phones saw"
    )
    per_call = {who: 1000 / rates[who] for who in rates}
    return [
        Row(
            name=_NAME,
            value=rates["ours"],
            unit="calls/CPU s",
            peer=_PEER,
            peer_value=rates["theirs"],
            ratio=ratio,
            goal=goal,
            holds=ratio >= GOAL,
            n=recording.calls * bench.size.rounds,
            note=(
                f"median of {bench.size.rounds} interleaved rounds; {recording.conditions}; CPU a call: ours "
                f"{per_call['ours']:.1f} ms with facts, records, contacts, draft cases and their keys committed to "
                f"SQLite (synchronous=FULL), without journal and pages, with at most {max(audited)} entries on the "
                f"audit trail; theirs {per_call['theirs']:.1f} ms; {found}; {WANTED:g} x "
                f"{'reached' if ratio >= WANTED else 'not reached'}; {processes.load()}"
            ),
        )
    ]


async def _round(who: str, recording: Recording, folder: Path, stream: bytes, python: str) -> dict[str, Any]:
    """One contestant reads the stream once."""
    async with AmiServer(secrets=_secrets(recording.site)) as server:
        if who == "ours":
            settings = _settings(recording.site, folder / f"pipeline{next(_numbers)}", server.port)
            arguments = (str(settings), str(recording.calls))
            contestant = processes.start("tests.bench.pipeline", *arguments)
        else:
            arguments = (str(server.port), server.secrets["service"])
            contestant = processes.start("tests.bench.peers.cacofonisk_calls", *arguments, python=python)
        try:
            await asyncio.to_thread(processes.told, contestant)
            listens = next(one for one in server.connections if _hears(one))
            for at in range(0, len(stream), _PIECE):
                listens.write(stream[at : at + _PIECE])
                await listens.writer.drain()
            listens.write(_END)
            return await asyncio.wait_for(asyncio.to_thread(processes.told, contestant), 120)
        finally:
            await asyncio.to_thread(processes.end, contestant)


def _hears(connection: Connection) -> bool:
    login = connection.received[0] if connection.received else {}
    return login.get("Username") == "service" and not connection.writer.transport.is_closing()


def _secrets(prepared: Path) -> dict[str, str]:
    return site.read_secrets(Layout.of(prepared, "pbx1"))


def _settings(prepared: Path, folder: Path, ami_port: int) -> Path:
    """A site of this round's own: accounts and keys as when the recording began, no call."""
    shutil.copytree(prepared, folder)
    file = folder / "ecoute.toml"
    file.write_text(
        f"[http]\nport = {free_port()}\n[store]\ndata_dir = '{folder}'\n"
        f"url = 'sqlite+aiosqlite:///{folder / 'ecoute.db'}'\n[[pbx]]\nid = 'pbx1'\nami_port = {ami_port}\n"
    )
    return file


# --- our own part, in a process of its own --------------------------------------------------------------------------


def _records(database: sqlite3.Connection) -> Counter[str]:
    """Committed records of calls that ended, by result."""
    rows = database.execute("SELECT result, count(*) FROM calls WHERE ended_at IS NOT NULL GROUP BY result")
    return Counter(dict(rows.fetchall()))


def _audited(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM audit_entries").fetchone()[0])


async def _serve(settings: Path, calls: int) -> None:
    """The service as it runs; tells its CPU seconds from being ready to the last record's commit."""
    configured = load(settings)
    service = await build(configured)
    ready = asyncio.Event()
    running = asyncio.create_task(service.run(ready.set))
    await ready.wait()
    database = sqlite3.connect(configured.store.data_dir / "ecoute.db")
    on_the_trail = _audited(database)
    began = time.process_time()
    processes.tell(ready=True)
    while (records := _records(database)).total() < calls:
        await asyncio.sleep(0.05)
    await service.pbxs[0].recorder.settled()
    seconds = time.process_time() - began
    contacts = database.execute("SELECT count(DISTINCT call_id) FROM contacts").fetchone()[0]
    answered = records["answered"] if contacts == records["answered"] else -1
    audited = _audited(database) - on_the_trail
    processes.tell(seconds=seconds, calls=records.total(), answered=answered, audited=audited)
    database.close()
    service.stop()
    await running


def main() -> None:
    """python -m tests.bench.pipeline SETTINGS CALLS"""
    log.configure(level="error")
    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
