"""The service's process is kept: one that dies is replaced at once, one that was asked to stop or refuses is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.line import start_line
from tests.support.sipp import Caller
from tests.support.wait import until

ROOT = Path(__file__).parents[2]

#: Each service says its number, then does what the test wants of it; the numbers are kept in a file.
_SERVICE = """
import os, signal, sys, time
from pathlib import Path
from service.cli import keeper
keeper.keep(lambda said: print(said, flush=True))
count = Path(sys.argv[1])
number = int(count.read_text()) + 1
count.write_text(str(number))
print(f"this is number {number}: {os.getpid()}", flush=True)
"""
_LIVES = "keeper.ready(); print('ready', flush=True)\nwhile True: time.sleep(60)\n"


class Kept:
    """A keeper with services that do as they are told."""

    def __init__(self, folder: Path, does: str) -> None:
        self.count = folder / "count"
        self.count.write_text("0")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVICE + does, str(self.count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []

    def hears(self, word: str) -> str:
        """The next line with this word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if word in line:
                return line
        raise AssertionError(f"no {word!r} in {self.said}")

    def service(self) -> int:
        """Pid of the next service, once it is there."""
        return int(self.hears("this is number").split()[-1])


@contextmanager
def kept(folder: Path, does: str) -> Iterator[Kept]:
    found = Kept(folder, does)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()
        assert found.process.stdout is not None
        found.process.stdout.close()


def kept_by(keeper: int) -> int:
    """The service's process."""
    (pid,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return int(pid)


def is_gone(pid: int) -> bool:
    """No such process, or one that only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_one_that_is_asked_to_stop_while_the_next_is_awaited_is_not_replaced(tmp_path: Path) -> None:
    with kept(tmp_path, "keeper.ready()\nos.kill(os.getpid(), signal.SIGKILL)\n") as line:
        for _ in range(3):
            line.service()
        line.hears("another takes its place")
        line.process.send_signal(signal.SIGTERM)
        assert line.process.wait(20) == 0
        assert line.count.read_text() == "3"


@pytest.mark.parametrize("nth", range(8))
def test_asked_to_stop_at_any_instant_it_stops(tmp_path: Path, nth: int) -> None:
    """Also in the instant of a fork, which must not lose the word between two processes."""
    with kept(tmp_path, "if number == 1: keeper.ready(); os.kill(os.getpid(), signal.SIGKILL)\n" + _LIVES) as line:
        line.hears("another takes its place")
        time.sleep(0.5 + nth * 0.002)  # what is tested: instants around the fork after its pause
        line.process.send_signal(signal.SIGTERM)
        line.process.wait(10)


def test_a_service_that_is_killed_is_replaced_again_and_again(tmp_path: Path) -> None:
    with kept(tmp_path, _LIVES) as line:
        pids = []
        for _ in range(3):
            pids.append(line.service())
            line.hears("ready")
            os.kill(pids[-1], signal.SIGKILL)
            assert "SIGKILL" in line.hears("another takes its place")
        assert len({*pids, line.service(), line.process.pid}) == 5


def test_one_that_is_killed_before_it_was_ready_is_replaced_too(tmp_path: Path) -> None:
    with kept(tmp_path, "time.sleep(60)\n") as line:
        os.kill(line.service(), signal.SIGKILL)
        line.service()


def test_one_that_refuses_to_start_has_said_why_and_is_not_tried_again(tmp_path: Path) -> None:
    with kept(tmp_path, "sys.exit(2)\n") as line:
        line.service()
        assert line.process.wait(20) == 2
        assert line.count.read_text() == "1"


def test_one_that_fails_after_it_was_ready_is_replaced_and_so_is_a_successor_that_does_not_get_so_far(
    tmp_path: Path,
) -> None:
    with kept(tmp_path, "if number == 1: keeper.ready()\nif number < 4: sys.exit(1)\n" + _LIVES) as line:
        began = time.monotonic()
        for _ in range(4):
            line.service()
        line.hears("ready")
        assert time.monotonic() - began > 0.5 + 1.0 + 2.0, "with a pause that grows"
        assert "exit code 1" in "".join(line.said)


def test_one_that_ends_by_itself_ends_its_keeper(tmp_path: Path) -> None:
    with kept(tmp_path, "keeper.ready()\n") as line:
        line.service()
        assert line.process.wait(20) == 0


def test_a_keeper_that_is_asked_to_stop_stops_its_service(tmp_path: Path) -> None:
    with kept(tmp_path, _LIVES) as line:
        pid = line.service()
        line.hears("ready")
        line.process.send_signal(signal.SIGTERM)
        assert line.process.wait(20) == 128 + signal.SIGTERM, "this service does not listen to SIGTERM: it is ended"
        assert is_gone(pid)


def test_no_stop_is_missed_between_two_steps_of_the_keeper_and_the_service_hears_its_own(tmp_path: Path) -> None:
    with kept(tmp_path, _LIVES) as line:
        service = line.service()
        assert signal.SIGTERM not in signals(line.process.pid, "SigCgt"), "it waits for it: a handler may run too early"
        assert not signals(service, "SigBlk"), "nor does what the service starts have any blocked"


def signals(pid: int, which: str) -> set[int]:
    """`SigBlk`: those that stay pending; `SigCgt`: those that have a handler."""
    (mask,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if which in line]
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


def test_a_keeper_that_is_killed_takes_its_service_along(tmp_path: Path) -> None:
    with kept(tmp_path, _LIVES) as line:
        pid = line.service()
        line.hears("ready")
        line.process.kill()
        until(lambda: is_gone(pid), "the service is gone too")


def test_a_line_whose_service_is_killed_is_watched_again_at_once_and_the_caller_notices_nothing(tmp_path: Path) -> None:
    with start_line(tmp_path / "line") as line:
        first = kept_by(line.service.pid)
        with Caller(line.ports.sip, tmp_path) as caller:
            until(lambda: line.waiting() == 1, "the caller waits, after the whole welcome", 60)
            os.kill(first, signal.SIGKILL)
            line._wait_until_ready()
            assert kept_by(line.service.pid) != first
            until(lambda: line.readiness()["ready"], "it is watched")
            until(lambda: line.waiting() == 1, "the caller waits on")  # between two rounds they are in no queue
            assert caller.lives
