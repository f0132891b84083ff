"""A process that may open no more files, or have no more memory."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.tools.effect import prove

_LOOK_SECONDS = 0.002
_LOOKS = 50


@dataclass(slots=True)
class Starved:
    """`limit`: what was allowed. `at_limit`: how often the process was seen to have used all of it."""

    limit: int
    at_limit: int = 0


@contextmanager
def few_descriptors(pid: int, spare: int = 0) -> Iterator[Starved]:
    """The process may open `spare` files or sockets more than it has now. FaultWithoutEffect when it never tried."""
    starved = Starved(_limit(_lasting(pid), spare))
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(pid, starved, over), daemon=True)
    with _limited(pid, "nofile", "Max open files", starved.limit):
        watching.start()
        try:
            yield starved
        finally:
            over.set()
            watching.join()
    prove(starved.at_limit, "the process never had all the files that it was allowed")


@contextmanager
def little_memory(pid: int, spare_megabytes: int) -> Iterator[Starved]:
    """The process may have so much address space more than it has now. `at_limit` is not counted."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    starved = Starved(pages * os.sysconf("SC_PAGE_SIZE") + (spare_megabytes << 20))
    with _limited(pid, "as", "Max address space", starved.limit):
        yield starved


@contextmanager
def _limited(pid: int, option: str, title: str, soft: int) -> Iterator[None]:
    """Lower the soft limit, by prlimit(1) as the process's own user, whom the kernel lets do that without more."""
    said = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith(title))
    before = said[len(title) :].split()[0]
    _set(pid, option, str(soft))
    try:
        yield
    finally:
        if Path(f"/proc/{pid}").exists():
            _set(pid, option, before)


def _set(pid: int, option: str, soft: str) -> None:
    owner = Path(f"/proc/{pid}").stat()
    command = ["prlimit", "--pid", str(pid), f"--{option}={soft}:"]
    subprocess.run(command, user=owner.st_uid, group=owner.st_gid, extra_groups=[], check=True, capture_output=True)


def _open(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208  names, not paths


def _lasting(pid: int) -> set[int]:
    """Those that stay open: one that is closed again in a moment would be a spare one."""
    lasting = _open(pid)
    for _ in range(_LOOKS):
        time.sleep(_LOOK_SECONDS)
        lasting &= _open(pid)
    return lasting


def _limit(taken: set[int], spare: int) -> int:
    """The limit is on the number, and the lowest free one is given: below it so many are free."""
    free = (number for number in itertools.count() if number not in taken)
    return next(itertools.islice(free, spare, None))


def _watch(pid: int, starved: Starved, over: threading.Event) -> None:
    while not over.wait(_LOOK_SECONDS):
        with suppress(OSError):
            if len([number for number in _open(pid) if number < starved.limit]) >= starved.limit:
                starved.at_limit += 1
