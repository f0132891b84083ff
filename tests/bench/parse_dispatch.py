"""Row a: parse and dispatch. Every event that the tracker needs, fully typed, against panoramisk's stock dispatch.

One core, CPU time, the same recorded stream of real calls in reads of the sizes that a socket gives. The peer is the
faster of panoramisk's two ways: everything to one callback, or a pattern for each event that the tracker needs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from pbx.parse import EVENTS
from pbx.protocol import EventStream, PbxProtocol
from tests.bench import processes
from tests.bench.peers import environment
from tests.bench.recording import Recording, record
from tests.bench.row import Bench, Row, did_not_run, interleaved

GOAL: Final = 1.5
#: bytes in one read: asyncio's socket gives up to 256 KiB when it is behind, and single frames when it is not
READS: Final = (65_536, 4_096)
_NAMES: Final = tuple(sorted(name.decode() for name in EVENTS))
_PEER: Final = "panoramisk 1.4, stock dispatch"


def measure(bench: Bench) -> Sequence[Row]:
    """A row for each size of reads, unfiltered; and one for the stream that our own account gets."""
    recording = record(bench)
    python = environment.ensure()
    rows = [_row(bench, recording, recording.everything, size, python) for size in READS]
    return [*rows, _row(bench, recording, recording.filtered, READS[0], python)]


def _row(bench: Bench, recording: Recording, file: Path, size: int, python: str) -> Row:
    rights = "read=all" if file == recording.everything else "the service's own filter"
    name = f"parse and dispatch, {size // 1024} KiB reads, {rights}"
    goal = f">= {GOAL} x panoramisk's stock dispatch"
    bench.say(name)
    events = file.read_bytes().count(b"\r\n\r\n")
    repeats = max(1, 100_000 // max(events, 1))
    given: dict[str, set[int]] = {}

    def rate(way: str, run: Callable[[], dict[str, float]]) -> float:
        found = run()
        given.setdefault(way, set()).add(int(found["given"]))
        return events * repeats / found["seconds"]

    def peer(way: str) -> Callable[[], dict[str, float]]:
        arguments = (way, str(file), str(size), str(repeats), *_NAMES)
        return partial(processes.run, "tests.bench.peers.dispatch", *arguments, python=python)

    ours = partial(processes.run, "tests.bench.parse_dispatch", str(file), str(size), str(repeats))
    runs: dict[str, Callable[[], dict[str, float]]] = {"ours": ours}
    runs |= {way: peer(way) for way in ("all", "named", "minimal")}
    rates = interleaved(bench.size.rounds, {way: partial(rate, way, run) for way, run in runs.items()})
    wanted = given["named"] | given["minimal"]
    if len(wanted) != 1 or min(given["ours"]) <= 0:
        return did_not_run(name, goal, f"the contestants did not read the same events: {given}")
    stock = max(rates["all"], rates["named"])
    return Row(
        name=name,
        value=rates["ours"],
        unit="events/CPU s",
        peer=_PEER,
        peer_value=stock,
        ratio=rates["ours"] / stock,
        goal=goal,
        holds=rates["ours"] >= GOAL * stock,
        n=events * repeats,
        note=(
            f"median of {bench.size.rounds} interleaved rounds; {recording.conditions}; "
            f"{min(given['ours']) // repeats} typed events of {min(wanted) // repeats} frames of the names that the "
            f"tracker needs; stock: one callback {rates['all']:.0f}, by {len(_NAMES)} names {rates['named']:.0f}; "
            f"a minimal parser {rates['minimal']:.0f} events/CPU s; {processes.load()}"
        ),
    )


# --- our own part, in a process of its own --------------------------------------------------------------------------


class _Unread(asyncio.Transport):
    """Where nothing is written: the protocol wants a transport, and nobody asks anything here."""


async def _feed(stream: bytes, size: int, repeats: int) -> tuple[float, int]:
    """CPU seconds, and how many typed events came out."""
    events = EventStream()
    protocol = PbxProtocol(events, time.time)
    protocol.connection_made(_Unread())
    protocol.data_received(b"Asterisk Call Manager/11.0.0\r\n" + stream[: stream.index(b"\r\n\r\n") + 4])
    protocol.muted = False
    reads = [stream[at : at + size] for at in range(0, len(stream), size)]
    taken = 0
    began = time.process_time()
    for _ in range(repeats):
        for read in reads:
            protocol.data_received(read)
            waiting = events.events
            while waiting:  # as the link's consumer takes them
                waiting.popleft()
                taken += 1
    return time.process_time() - began, taken


def main() -> None:
    """python -m tests.bench.parse_dispatch FILE READ_BYTES REPEATS"""
    file, size, repeats = sys.argv[1:]
    seconds, taken = asyncio.run(_feed(Path(file).read_bytes(), int(size), int(repeats)))
    processes.tell(seconds=seconds, given=taken)


if __name__ == "__main__":
    main()
