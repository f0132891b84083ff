"""Faults of the service: killed, frozen, stopped; its connection with Asterisk broken; its database locked."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from tests.faults.injector import Need, NotAsExpected
from tests.faults.tools.sip_flood import SipFlood, What

if TYPE_CHECKING:
    from tests.faults.line import FaultLine


class ServiceKilled:
    """kill -9 at whatever it does, and started again a moment later."""

    name = "service-killed"
    seconds = 1.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "calls go on; within 5 s of its start the board is right; nothing acknowledged is lost"

    def inject(self, line: FaultLine) -> None:
        line.kill_service()

    def undo(self, line: FaultLine) -> None:
        line.restart_service()


class ServiceStopped:
    """SIGTERM, as an upgrade does."""

    name = "service-stopped"
    seconds = 2.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "it ends by itself within 20 s and is as after a kill"

    def inject(self, line: FaultLine) -> None:
        if code := line.stop_service():
            raise NotAsExpected(f"the service ended with {code} on SIGTERM")

    def undo(self, line: FaultLine) -> None:
        line.restart_service()


class ServiceFrozen:
    """SIGSTOP: it neither reads nor writes, its connections stay open."""

    name = "service-frozen"
    seconds = 5.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "calls go on; what was missed is in the books"

    def inject(self, line: FaultLine) -> None:
        line.signal_service(signal.SIGSTOP)

    def undo(self, line: FaultLine) -> None:
        line.signal_service(signal.SIGCONT)


class Held:
    """A fault that is a context: entered to break, left to mend."""

    cuts_calls = False
    settle_seconds = 5.0

    def __init__(
        self,
        name: str,
        seconds: float,
        expect: str,
        hold: Callable[[FaultLine], AbstractContextManager[object]],
        *needs: Need,
    ) -> None:
        self.name = name
        self.seconds = seconds
        self.expect = expect
        self.needs = frozenset(needs)
        self._hold = hold
        self._held = ExitStack()

    def inject(self, line: FaultLine) -> None:
        self._held.enter_context(self._hold(line))

    def undo(self, line: FaultLine) -> None:
        self._held.close()


class AmiHalfOpen(Held):
    """Every packet is dropped, and TCP tells nobody."""

    def __init__(self) -> None:
        expect = "noticed within 3 s: the board says that the line is lost"
        super().__init__("ami-half-open", 6.0, expect, lambda line: line.proxy.half_open(), Need.NAMESPACE)

    def undo(self, line: FaultLine) -> None:
        shown = line.people.supervisor.one("line")
        super().undo(line)
        if shown is None or shown["state"] == "up":
            raise NotAsExpected("a half-open connection was not noticed within 6 s")


class StoreFull(Held):
    """No byte more on the disk of the database."""

    def __init__(self) -> None:
        super().__init__("store-full", 6.0, "calls flow; what was acknowledged is there", self._full, Need.MOUNT)

    @staticmethod
    def _full(line: FaultLine) -> AbstractContextManager[object]:
        assert line.disk is not None
        return line.disk.full()


class SipFlooded(Held):
    """A stranger floods the SIP port."""

    def __init__(self, name: str, what: What, rate: int) -> None:
        super().__init__(name, 6.0, "calls go on and new ones are taken", lambda line: self._flood(line, what, rate))

    @staticmethod
    def _flood(line: FaultLine, what: What, rate: int) -> SipFlood:
        return SipFlood(line.pbx.ports.sip, what=what, rate=rate, seconds=6.0)
