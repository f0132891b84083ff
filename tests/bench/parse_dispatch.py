"""Row a: parse and dispatch. Every event that the tracker needs, fully typed, against panoramisk's stock dispatch.

One core, CPU time, the same recorded stream of real calls in reads of the sizes that a socket gives. The peer is the
faster of panoramisk's two ways: everything to one callback, or a pattern for each event that the tracker needs. What
comes out of our parser is counted in each pass, and what has to come out in the bytes (needed.py): a parser that drops
some has no figure.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pbx.protocol import EventStream, PbxProtocol
from tests.bench import needed, processes
from tests.bench.peers import environment
from tests.bench.recording import Recording, record
from tests.bench.row import Bench, Row, did_not_run, interleaved

GOAL: Final = 1.5
#: bytes in one read: asyncio's socket gives up to 256 KiB when it is behind, and single frames when it is not
READS: Final = (65_536, 4_096)
#: events of a measurement, about: so many passes
EVENTS: Final = 100_000
#: our contestant, a process of its own
OURS: Final = "tests.bench.parse_dispatch"
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
    stream = file.read_bytes()
    events, typed = stream.count(b"\r\n\r\n"), needed.typed_events(stream)
    names = sorted(name.decode() for name in needed.names())
    repeats = max(1, EVENTS // max(events, 1))
    given: dict[str, set[int]] = {}

    def rate(way: str, run: Callable[[], dict[str, Any]]) -> float:
        found = run()
        given.setdefault(way, set()).update(found["passes"] if way == "ours" else [found["given"]])
        return float(events * repeats / found["seconds"])

    def peer(way: str) -> Callable[[], dict[str, Any]]:
        arguments = (way, str(file), str(size), str(repeats), *names)
        return partial(processes.run, "tests.bench.peers.dispatch", *arguments, python=python)

    ours = partial(processes.run, OURS, str(file), str(size), str(repeats))
    runs: dict[str, Callable[[], dict[str, Any]]] = {"ours": ours}
    runs |= {way: peer(way) for way in ("all", "named", "minimal")}
    rates = interleaved(bench.size.rounds, {way: partial(rate, way, run) for way, run in runs.items()})
    wanted = given["named"] | given["minimal"]
    if len(wanted) != 1:
        return did_not_run(name, goal, f"the peers did not read the same events: {given}")
    if given["ours"] != {typed} or not typed:
        passes = ", ".join(map(str, sorted(given["ours"])))
        return did_not_run(name, goal, f"{passes} typed events came out of a pass, the bytes hold {typed}")
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
            f"{typed} typed events in each pass, as many as the bytes hold, of {min(wanted) // repeats} frames of the "
            f"names that the tracker needs; stock: one callback {rates['all']:.0f}, by {len(names)} names "
            f"{rates['named']:.0f}; "
            f"a minimal parser {rates['minimal']:.0f} events/CPU s; {processes.load()}"
        ),
    )


# --- our own part, in a process of its own --------------------------------------------------------------------------


class _Unread(asyncio.Transport):
    """Where nothing is written: the protocol wants a transport, and nobody asks anything here."""


async def _feed(stream: bytes, size: int, repeats: int) -> tuple[float, list[int]]:
    """CPU seconds, and how many typed events came out of each pass."""
    events = EventStream()
    protocol = PbxProtocol(events, time.time)
    protocol.connection_made(_Unread())
    protocol.data_received(b"Asterisk Call Manager/11.0.0\r\n" + stream[: stream.index(b"\r\n\r\n") + 4])
    protocol.muted = False
    reads = [stream[at : at + size] for at in range(0, len(stream), size)]
    passes: list[int] = []
    began = time.process_time()
    for _ in range(repeats):
        taken = 0
        for read in reads:
            protocol.data_received(read)
            waiting = events.events
            while waiting:  # as the link's consumer takes them
                waiting.popleft()
                taken += 1
        passes.append(taken)
    return time.process_time() - began, passes


def main() -> None:
    """python -m tests.bench.parse_dispatch FILE READ_BYTES REPEATS"""
    file, size, repeats = sys.argv[1:]
    seconds, passes = asyncio.run(_feed(Path(file).read_bytes(), int(size), int(repeats)))
    processes.tell(seconds=seconds, passes=passes)


if __name__ == "__main__":
    main()
