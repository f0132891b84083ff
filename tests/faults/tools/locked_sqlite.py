"""A SQLite database that somebody else holds: nobody writes, or nobody even reads.

What a copy by a careless backup, or a person with a console, does to it. In WAL mode an exclusive transaction keeps
writers out and lets readers in (https://sqlite.org/lang_transaction.html); readers are kept out by the locks of the
WAL's index, which are bytes of the `-shm` file (https://sqlite.org/walformat.html, 2.3).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.faults.tools.effect import prove

_PATIENCE_SECONDS = 10.0
#: the locks of the WAL index: write, checkpoint, recover, and one for each of five reader marks
_FIRST_LOCK, _LOCKS = 120, 8
_READ_MARKS = range(123, 128)


@contextmanager
def locked_for_writing(file: Path) -> Iterator[None]:
    """An exclusive transaction of another connection: whoever writes waits, and then fails."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=_PATIENCE_SECONDS)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        try:
            prove(not _writes(file), f"{file.name} can be written")
            yield
        finally:
            holder.execute("ROLLBACK")


@contextmanager
def locked_for_all(file: Path) -> Iterator[None]:
    """Nobody reads either; what is being read is waited for. Locks of this descriptor, not of this process."""
    descriptor = os.open(file.with_name(file.name + "-shm"), os.O_RDWR)
    try:
        _lock(descriptor, _FIRST_LOCK, _LOCKS)
        prove(not _reads(file), f"{file.name} can be read")
        yield
        prove(not _reads(file), f"{file.name} could be read at the end")
    finally:
        os.close(descriptor)  # and the locks with it


def _lock(descriptor: int, start: int, length: int) -> None:
    """Write locks, byte by byte, so that one that is held for a moment does not keep the others from being taken."""
    wanted = list(range(start, start + length))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while wanted:
        for byte in list(wanted):
            with suppress(BlockingIOError):
                lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
                wanted.remove(byte)
        prove(time.monotonic() < deadline, "somebody reads without end")
        time.sleep(0.001)


def _writes(file: Path) -> bool:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as probe:
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        probe.execute("ROLLBACK")
    return True


def _reads(file: Path) -> bool:
    """SQLite itself tries for ten seconds before it gives up a read mark: the marks are looked at."""
    probe = os.open(file.with_name(file.name + "-shm"), os.O_RDWR)
    try:
        for byte in _READ_MARKS:
            lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
            with suppress(BlockingIOError):
                fcntl.fcntl(probe, fcntl.F_OFD_SETLK, lock)
                return True
    finally:
        os.close(probe)
    return False
