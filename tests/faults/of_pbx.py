"""Faults of Asterisk: frozen, reloaded, killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.injector import Need, NotAsExpected
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.faults.line import FaultLine

#: from kill -9 until the line takes a call again; the notice of six seconds follows
_ANSWERS_SECONDS = 10.0


class AsteriskFrozen:
    """SIGSTOP: no packet is answered, no audio flows."""

    name = "asterisk-frozen"
    seconds = 5.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "every call goes on afterwards"

    def inject(self, line: FaultLine) -> None:
        line.freeze_pbx()

    def undo(self, line: FaultLine) -> None:
        line.thaw_pbx()


class CoreReload:
    """Every module reads its files again."""

    name = "core-reload"
    seconds = 1.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "calls and waiting callers stay"

    def inject(self, line: FaultLine) -> None:
        line.pbx.console("core reload")

    def undo(self, line: FaultLine) -> None:
        """Nothing to mend."""


class QueueReload:
    """The queues with their members, while callers wait in them."""

    name = "queue-reload"
    seconds = 1.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "callers keep their rank, members and pauses stay"

    def __init__(self) -> None:
        self._before: set[str] = set()

    def inject(self, line: FaultLine) -> None:
        self._before = line.members()
        line.pbx.console("queue reload all")

    def undo(self, line: FaultLine) -> None:
        if gone := self._before - line.members():
            raise NotAsExpected(f"{len(gone)} members are gone after a reload of the queues")


class AsteriskKilled:
    """kill -9: its calls end by it. Never drawn; its runs are reported apart."""

    name = "asterisk-killed"
    seconds = 1.0
    needs = frozenset[Need]()
    cuts_calls = True
    settle_seconds = 10.0
    expect = "answers again within 10 s; members and pauses are back; its calls are marked as ended by a fault"

    def __init__(self) -> None:
        self._before: set[str] = set()
        self._at = 0.0

    def inject(self, line: FaultLine) -> None:
        self._before = line.members()
        self._at = time.monotonic()
        line.kill_pbx()

    def undo(self, line: FaultLine) -> None:
        line.start_pbx()
        taken, answered = line.callers.started(), line.callers.answered()
        until(lambda: line.callers.started() > taken, "a caller is taken again", 30)
        took = time.monotonic() - self._at
        until(lambda: line.callers.answered() > answered, "a caller talks again", 30)
        line.say(
            f"a caller was taken {took:.1f} s after the kill, one talked after {time.monotonic() - self._at:.1f} s"
        )
        if took > _ANSWERS_SECONDS:
            raise NotAsExpected(f"a caller was taken only {took:.1f} s after the kill")
        if gone := self._before - line.members():
            raise NotAsExpected(f"{len(gone)} members are gone after the start")
