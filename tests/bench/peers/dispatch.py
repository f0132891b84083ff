"""panoramisk's stock dispatch, and a minimal parser, over a recorded stream. Prints CPU seconds as JSON.

python -m tests.bench.peers.dispatch WAY FILE READ_BYTES REPEATS NAME…
WAY: `all` (pattern `*`), `named` (a pattern per NAME) or `minimal`. Imports nothing of the product.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def feed(receive: Callable[[bytes], object], reads: list[bytes], repeats: int) -> float:
    """CPU seconds for the whole stream, `repeats` times."""
    began = time.process_time()
    for _ in range(repeats):
        for read in reads:
            receive(read)
    return time.process_time() - began


def stock(patterns: list[str], loop: asyncio.AbstractEventLoop) -> tuple[Callable[[bytes], object], list[int]]:
    """panoramisk as it comes: its manager, its protocol, one callback; and how many events it was given."""
    manager: Any = import_module("panoramisk").Manager(loop=loop)
    given = [0]

    def callback(_manager: Any, _event: Any) -> None:
        given[0] += 1

    for pattern in patterns:
        manager.register_event(pattern, callback)
    protocol: Any = import_module("panoramisk.ami_protocol").AMIProtocol()
    protocol.connection_made(None)
    protocol.factory, protocol.encoding, protocol.queue = manager, "utf8", deque()
    return protocol.data_received, given


def minimal(names: set[str]) -> tuple[Callable[[bytes], object], list[int]]:
    """The least that reads AMI at all: whole frames, a dict each, wanted names only to the callback."""
    rest = b""
    given = [0]

    def receive(read: bytes) -> None:
        nonlocal rest
        *frames, rest = (rest + read).split(b"\r\n\r\n")
        for frame in frames:
            headers = dict(line.partition(": ")[::2] for line in frame.decode("utf-8", "replace").split("\r\n"))
            if headers.get("Event") in names:
                given[0] += 1

    return receive, given


def main() -> None:
    way, file, size, repeats, *names = sys.argv[1:]
    stream = Path(file).read_bytes()
    reads = [stream[at : at + int(size)] for at in range(0, len(stream), int(size))]
    if way == "minimal":
        receive, given = minimal(set(names))
    else:
        receive, given = stock(["*"] if way == "all" else names, asyncio.new_event_loop())
    seconds = feed(receive, reads, int(repeats))
    sys.stdout.write(json.dumps({"seconds": seconds, "given": given[0]}) + "\n")


if __name__ == "__main__":
    main()
