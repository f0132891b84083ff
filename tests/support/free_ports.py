"""Ports of 127.0.0.1 that this process has to itself among all runs of the tests, in blocks below the ephemeral ports.

A port that is free now and asked for a moment later may be somebody else's by then: who wants one takes it from a block
that a lock keeps for them.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.support.wait import until

#: Below the kernel's ephemeral ports (32768…), so that no client's socket takes one of ours between check and use.
_BLOCKS = range(12000, 32000, 1000)
_SMALL_BLOCKS = range(3000, 12000, 250)
#: Browsers refuse to open a page there ("bad ports" of https://fetch.spec.whatwg.org/#port-blocking).
_NOT_FOR_PAGES = frozenset({3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080})
_LOCKS = Path("/tmp/ecoute-test-ports")  # noqa: S108  shared by every run on the machine, whoever it belongs to


class Block:
    """Consecutive ports; `release` gives them back, the end of the process at the latest."""

    def __init__(self, base: int, lock: IO[str]) -> None:
        self.base = base
        self._lock = lock

    def release(self) -> None:
        self._lock.close()


def reserve_block() -> Block:
    """1,000 ports. Waits while all blocks are taken, a minute at most."""
    return until(lambda: _first(_BLOCKS, 4), "a block of a thousand ports is free", 60, every=0.5)


def free_port() -> int:
    """A port that nobody has, by TCP or UDP, and that browsers open; not given twice until all of the block were."""
    ports = _small_block(os.getpid())
    while not _is_free(port := next(ports)):
        pass
    return port


def _first(bases: range, looked_at: int) -> Block | None:
    _LOCKS.mkdir(exist_ok=True)
    if _LOCKS.stat().st_uid == os.geteuid():
        _LOCKS.chmod(0o1777)
    for base in bases:
        file = _LOCKS / str(base)
        with suppress(FileExistsError):
            file.touch(0o644, exist_ok=False)  # another user's is opened without O_CREAT: fs.protected_regular
        lock = file.open()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if all(_is_free(base + n) for n in range(looked_at)):
            return Block(base, lock)
        lock.close()
    return None


_mine: dict[int, Iterator[int]] = {}
_held: list[Block] = []


def _small_block(process: int) -> Iterator[int]:
    if process not in _mine:  # a fork has a block of its own
        block = until(lambda: _first(_SMALL_BLOCKS, 0), "a block of 250 ports is free", 60, every=0.5)
        _held.append(block)
        ports = range(block.base, block.base + _SMALL_BLOCKS.step)
        _mine[process] = itertools.cycle([port for port in ports if port not in _NOT_FOR_PAGES])
    return _mine[process]


def _is_free(port: int) -> bool:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is only in TIME_WAIT is free
        try:
            for probe in (tcp, udp):
                probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
