"""From frames to facts, for the tests of what a call's events mean."""

from __future__ import annotations

from collections.abc import Iterable

from pbx import parse
from pbx.events import Event
from pbx.facts import (
    CallFact,
    Fact,
)
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALLER, Wire, leg


def read(frames: Iterable[bytes]) -> list[Event]:
    """Frames as the protocol would hand them on."""
    found = []
    for data in frames:
        text = data.decode().removesuffix("\r\n\r\n")
        name = text[7 : text.find("\r\n")].encode()
        event = parse.EVENTS[name](text, 0.0)
        if event is not None:
            found.append(event)
    return found


def follow(wire: Wire, state: PbxState | None = None) -> list[Fact]:
    state = state or PbxState("pbx1")
    return [fact for event in read(data for _, data in wire.live) for fact in state.apply(event)]


def keys(facts: Iterable[Fact]) -> list[tuple[str, str, int]]:
    return [(fact.call_id, type(fact).__name__, fact.ordinal) for fact in facts if isinstance(fact, CallFact)]


def content(facts: Iterable[Fact]) -> dict[tuple[str, str, int], Fact]:
    return dict(zip(keys(facts), [fact for fact in facts if isinstance(fact, CallFact)], strict=True))


def waiting(wire: Wire) -> Wire:
    wire.step(1, "entered none +33199003133 999")
    wire.step(2, "queued national")
    return wire


def talking(wire: Wire) -> Wire:
    waiting(wire)
    wire.ring(leg(1))
    wire.step(3, f"connecting national PJSIP/l1 {leg(1)[0]}", leg(1))
    wire.bridge(leg(1))
    wire.bridge(CALLER)
    return wire
