"""Faults of those who listen: a browser that dies in mid-call, everybody gone at once, a centre's telephone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from tests.faults.injector import Need, NotAsExpected
from tests.faults.tools.effect import FaultWithoutEffect, prove
from tests.support.sipp import Phone
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.faults.line import FaultLine

T = TypeVar("T")

#: law 2: after a listener's crash or a closed centre the caller is spoken to, or waits at their rank, within this
_BACK_SECONDS: Final = 3.0
#: until one of those whom the fault needs is there
_FOUND_SECONDS: Final = 60.0


def _found(look: Callable[[], T | None], what: str) -> T:
    """Whoever the fault needs. FaultWithoutEffect when nobody was there."""
    try:
        return until(look, what, _FOUND_SECONDS, every=0.2)
    except AssertionError as error:
        raise FaultWithoutEffect(str(error)) from None


class ListenerKilled:
    """A listener's page and telephone die together under a conversation; the PBX drops the contact."""

    name = "listener-killed"
    seconds = 3.5
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "the caller is told within 3 s, and goes on to the same listener or, at their rank, to the next"

    def __init__(self) -> None:
        self._user = ""
        self._call = ""
        self._at = 0.0

    def inject(self, line: FaultLine) -> None:
        def talking() -> tuple[str, str] | None:
            calls = line.asterisk_calls()
            for user in line.phones.fragile:
                call = next((call for call, account in calls.items() if account == line.ids[user]), None)
                page = line.people.pages[user]
                if call and page.connected and page.one("me")["state"] == "talking":
                    return user, call
            return None

        self._user, self._call = _found(talking, "a listener who may be killed talks")
        line.people.pages[self._user].wanted = False
        line.phones.kill(self._user)
        self._at = time.time()
        line.phones.unregister(self._user)

    def undo(self, line: FaultLine) -> None:
        user, call, self._user = self._user, self._call, ""
        if not user:
            return
        lost = line.telling.step_after(call, "listener-lost", self._at)
        ended = line.telling.step_after(call, "ended", self._at)
        line.phones.replace(user)
        line.people.pages[user].wanted = True
        if lost is None and ended is None:
            raise NotAsExpected("the caller of a dead telephone was not freed from it")
        if lost is not None and lost.at - self._at > _BACK_SECONDS:
            raise NotAsExpected(f"the caller was spoken to only {lost.at - self._at:.1f} s after the loss")


class ListenersLeave:
    """Everybody signs out of the queue, and comes back."""

    name = "listeners-leave"
    seconds = 12.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "conversations go on; who waits is offered a centre or keeps their rank"

    def inject(self, line: FaultLine) -> None:
        line.people.away.update(line.people.pages)
        until(lambda: not line.members(), "everybody has left the queue", 20)

    def undo(self, line: FaultLine) -> None:
        line.people.away.clear()
        until(lambda: len(line.members()) == len(line.people.pages), "everybody is back in the queue", 20)


class CentreFails:
    """Somebody who waits is sent to a centre's telephone, which does not become a conversation."""

    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "the caller waits again, at their rank, within 3 s of the failure"

    def __init__(self, name: str, *, tries: float, status: str = "", ring: float = 0.5) -> None:
        """`tries`: seconds until the line must have given up. `status`, `ring`: of the centre's telephone."""
        self.name = name
        self.seconds = tries
        self._status = status
        self._ring = ring
        self._centre: Phone | None = None
        self._call = ""
        self._at = 0.0

    def inject(self, line: FaultLine) -> None:
        port = line.pbx.ports.spare[0]
        self._centre = Phone(line.folder, port=port, status=self._status, ring=self._ring)

        def somebody() -> tuple[str, str] | None:
            callers = {leg["Uniqueid"]: call for call, leg in line.caller_legs().items()}
            waiting = [
                (entry["Channel"], callers[entry["Uniqueid"]])
                for entry in line.waiting()
                if entry["Uniqueid"] in callers
            ]
            young = [found for found in waiting if line.callers.stays_longer(found[1], self.seconds + 8)]
            return line.random.choice(young) if young else None

        channel, self._call = _found(somebody, "somebody waits who may be sent to a centre")
        self._at = time.time()
        line.asker.ask("QueueWithdrawCaller", Queue="national", Caller=channel, WithdrawInfo="centre:centre-69")

    def undo(self, line: FaultLine) -> None:
        centre, self._centre = self._centre, None
        if centre is None or not self._call:
            return
        try:
            until(lambda: self._is_over(line), "the try of the centre is over", 30)
        finally:
            centre.stop()
        refused = line.telling.step_after(self._call, "centre-refused", self._at)
        prove(refused, "the caller was never sent to the centre: answered, or gone, before")
        queued = refused and line.telling.step_after(self._call, "queued", refused.at)
        if refused and queued and queued.at - refused.at > _BACK_SECONDS:
            raise NotAsExpected(f"the caller waited again only {queued.at - refused.at:.1f} s after the centre failed")

    def _is_over(self, line: FaultLine) -> bool:
        """Back in the queue; or answered before the withdrawal had its effect; or they left."""
        told = (line.telling.step_after(self._call, what, self._at) for what in ("queued", "connecting", "ended"))
        return any(told)


class PhonesReconnect:
    """Every telephone registers again at once, as after a power cut at a provider."""

    name = "phones-reconnect"
    seconds = 1.0
    needs = frozenset[Need]()
    cuts_calls = False
    settle_seconds = 5.0
    expect = "conversations go on, nobody becomes unreachable"

    def inject(self, line: FaultLine) -> None:
        line.phones.register_all()

    def undo(self, line: FaultLine) -> None:
        if gone := [name for name, state in line.people.states().items() if state == "unreachable"]:
            raise NotAsExpected(f"{len(gone)} listeners are unreachable after they registered again")
