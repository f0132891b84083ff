"""A PBX whose channels are numbers: what it says of them, told to one state."""

from __future__ import annotations

from pbx.events import BridgeEntered, BridgeLeft, CallStep, Event, LegGone, RingBegan, SessionBegan, SnapshotTaken
from pbx.facts import Fact
from pbx.state import PbxState
from tests.support.company import with_caller

A, B = "9d0c7d3e-1b1f-4f0a-9a3e-00000000000a", "9d0c7d3e-1b1f-4f0a-9a3e-00000000000b"
NAMES = {10: "PJSIP/trunk", 11: "PJSIP/l1", 20: "PJSIP/trunk", 21: "PJSIP/l2", 30: "PJSIP/l1", 31: "PJSIP/l7"}


def uid(number: int) -> str:
    return f"pbx1-100.{number}"


def name(number: int) -> str:
    return f"{NAMES.get(number, 'PJSIP/l9')}-{number:08x}"


class Pbx:
    """What a PBX says of numbered channels, to one state. 10 and 20 are the callers of `A` and `B`."""

    def __init__(self) -> None:
        self.state = PbxState("pbx1")
        self.at = 1000.0
        self.steps: dict[str, int] = {}
        self.facts: list[Fact] = []
        self.say(SessionBegan(at=self.at, started="one", version=""))
        self.say(SnapshotTaken(at=self.at))

    def say(self, event: Event) -> list[Fact]:
        told = list(self.state.apply(event))
        self.facts += told
        return told

    def tick(self) -> float:
        self.at += 0.1
        return self.at

    def step(self, call: str, number: int, what: str, detail: str = "") -> list[Fact]:
        n = self.steps[call] = self.steps.get(call, 0) + 1
        return self.say(
            CallStep(
                at=self.tick(), call_id=call, n=n, what=what, detail=detail, channel=name(number), uniqueid=uid(number)
            )
        )

    def enter(self, number: int, bridge: str, *, linked: int = 0, call: str = "") -> list[Fact]:
        return self.say(
            BridgeEntered(
                at=self.tick(),
                call_id=call,
                channel=name(number),
                uniqueid=uid(number),
                linkedid=uid(linked or number),
                bridge=bridge,
            )
        )

    def leave(self, number: int, bridge: str) -> None:
        self.say(
            BridgeLeft(
                at=self.tick(),
                call_id="",
                channel=name(number),
                uniqueid=uid(number),
                linkedid=uid(number),
                bridge=bridge,
            )
        )

    def gone(self, number: int, *, linked: int = 0, call: str = "", cause: int = 16) -> list[Fact]:
        return self.say(
            LegGone(
                at=self.tick(),
                call_id=call,
                channel=name(number),
                uniqueid=uid(number),
                linkedid=uid(linked or number),
                cause=cause,
            )
        )

    def conversation(self, call: str, caller: int, bridge: str) -> None:
        """Entered, queued, rung, connected."""
        listener = caller + 1
        self.step(call, caller, "entered", "none +33199003133 999")
        self.step(call, caller, "queued", "national")
        self.say(
            RingBegan(
                at=self.tick(),
                call_id=call,
                queue="national",
                interface=NAMES[listener],
                channel=name(listener),
                uniqueid=uid(listener),
            )
        )
        self.step(call, listener, "connecting", f"national {NAMES[listener]} {name(listener)}")
        self.enter(listener, bridge, linked=caller, call=call)
        self.enter(caller, bridge, call=call)

    def end(self, call: str, caller: int) -> None:
        self.step(call, caller, "ended", "caller talking")
        self.gone(caller, call=call)

    def with_caller(self, call: str) -> set[str]:
        return {leg.channel for leg in with_caller(self.state, call)}

    def legs(self, call: str) -> set[str]:
        return set(self.state.calls[call].legs)
