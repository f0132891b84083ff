"""Frames as Asterisk 22.10.1 writes them, and the journal's lines for the same things."""

from __future__ import annotations

import json

CALL = "9d0c7d3e-1b1f-4f0a-9a3e-000000000001"


def frame(*lines: str) -> bytes:
    """A frame with the line ends that close it."""
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def on_channel(event: str, channel: str, uniqueid: str, *more: str, call: str = CALL, at: float = 100.0) -> bytes:
    """An event of a channel of a call, with the headers that surround what we read."""
    return frame(
        f"Event: {event}",
        "Privilege: call,all",
        f"Timestamp: {at:.6f}",
        "SystemName: pbx1",
        f"Channel: {channel}",
        "ChannelState: 6",
        "ChannelStateDesc: Up",
        f"CallerIDNum: {call}",
        "CallerIDName: <unknown>",
        "ConnectedLineNum: <unknown>",
        "Language: fr",
        "Context: waiting",
        "Exten: round",
        "Priority: 6",
        f"Uniqueid: {uniqueid}",
        "Linkedid: pbx1-100.0",
        f"ChanVariable: CALL_ID={call}",
        *more,
    )


CALLER = ("PJSIP/trunk-00000000", "pbx1-100.0")


def leg(number: int, listener: str = "l1") -> tuple[str, str]:
    """The `number`th channel, towards a listener's phone."""
    return f"PJSIP/{listener}-{number:08x}", f"pbx1-100.{number}"


class Wire:
    """The same call as it is seen on the manager interface and in the journal; frames by channel, in order."""

    def __init__(self, call: str = CALL) -> None:
        self.call = call
        self.at = 1000.0
        self.live: list[tuple[str, bytes]] = []
        self.journal: list[bytes] = []

    def step(self, n: int, words: str, on: tuple[str, str] = CALLER) -> None:
        what, _, detail = words.partition(" ")
        more = ("UserEvent: CallStep", f"CallId: {self.call}", f"Step: {n}", f"What: {what}", f"Detail: {detail}")
        self._live("UserEvent", on, *more)
        self._cel("STEP", on, {"extra": f"{self.call} {n} {words}"})

    def ring(self, on: tuple[str, str], queue: str = "national") -> None:
        self._live("UserEvent", on, "UserEvent: Ring", f"CallId: {self.call}", f"Queue: {queue}")
        self._cel("RING", on, {"extra": f"{self.call} {queue}"})

    def bridge(self, on: tuple[str, str]) -> None:
        self._live("BridgeEnter", on, "BridgeUniqueid: b-1")
        self._cel("BRIDGE_ENTER", on, {"bridge_id": "b-1", "bridge_technology": "simple_bridge"})

    def hangup(self, on: tuple[str, str], cause: int = 16) -> None:
        self._live("Hangup", on, f"Cause: {cause}", "Cause-txt: Normal Clearing")
        self._cel("HANGUP", on, {"hangupcause": cause, "hangupsource": "", "dialstatus": ""})
        self._cel("CHAN_END", on, {})

    def _live(self, event: str, on: tuple[str, str], *more: str) -> None:
        self.at += 0.25
        self.live.append((on[1], on_channel(event, *on, *more, call=self.call, at=self.at)))

    def _cel(self, event: str, on: tuple[str, str], extra: dict[str, object]) -> None:
        line = {
            "eventtime": f"{self.at - 0.001:.6f}",
            "eventtype": event,
            "userdeftype": event if event in {"STEP", "RING"} else "",
            "accountcode": self.call,
            "uniqueid": on[1],
            "linkedid": "pbx1-100.0",
            "channame": on[0],
            "exten": "s",
            "context": "step",
            "appname": "CELGenUserEvent",
            "peer": "",
            "eventextra": json.dumps(extra) if extra else "",
        }
        self.journal.append(json.dumps(line).encode() + b"\n")

    def bytes(self) -> bytes:
        return b"".join(data for _, data in self.live)


def eventful_call(call: str = CALL) -> Wire:
    """Rings in vain, a conversation, a listener lost and back, overflow to a centre's queue and telephone, an end."""
    wire = Wire(call)
    first, second, back, centre = leg(1), leg(2, "l2"), leg(3, "l2"), leg(4, "l7")
    telephone = ("PJSIP/trunk-00000005", "pbx1-100.5")
    wire.step(1, "entered 3.00ff.YWJj +33199003133 999")
    wire.step(2, "queued national")
    wire.ring(first)
    wire.hangup(first, 19)
    wire.ring(second)
    wire.step(3, f"connecting national PJSIP/l2 {second[0]}", second)
    wire.bridge(second)
    wire.bridge(CALLER)
    wire.hangup(second, 44)
    wire.step(4, "listener-lost PJSIP/l2 44")
    wire.ring(back, "return")
    wire.step(5, f"connecting return PJSIP/l2 {back[0]}", back)
    wire.bridge(back)
    wire.bridge(CALLER)
    wire.hangup(back, 44)
    wire.step(6, "listener-lost PJSIP/l2 44")
    wire.step(7, "queued national")
    wire.step(8, "overflow ask service")
    wire.step(9, "department 38")
    wire.step(10, "centre-called centre-38 queue")
    wire.ring(centre, "centre-38")
    wire.hangup(centre, 19)
    wire.step(11, "centre-refused centre-38 no-answer")
    wire.step(12, "queued national")
    wire.step(13, "overflow centre:centre-73 pbx")
    wire.step(14, "centre-called centre-73 telephone")
    wire.step(15, f"connecting centre-73 centre-73 {telephone[0]}", telephone)
    wire.bridge(CALLER)
    wire.bridge(telephone)
    wire.hangup(telephone)
    wire.step(16, "ended centre talking")
    wire.hangup(CALLER)
    return wire
