"""What is true of a call of `line_model.py`: what a snapshot would list of it, and what a board must show."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.channels import interface_of
from pbx.events import LegListed
from pbx.facts import Stage
from tests.unit.pbx.line_legs import Leg, Variables
from tests.unit.pbx.line_model import QUEUE_CENTRE, TELEPHONE_CENTRE, Call


@dataclass(frozen=True, slots=True)
class Truth:
    """What a board must show of a live call. `stages`: more than one while the dialplan is between two.

    `legs`: the bridge of each, by its id. `quiet`: those of which nothing was said yet.
    """

    stages: frozenset[Stage]
    channel: str
    line: str
    arrived: int
    step: int
    ringing: dict[str, str]
    listener: str | None
    listener_channel: str | None
    centre: str | None
    waits: bool | None
    queue: str
    last_overflow_at: float | None
    legs: dict[str, str]
    quiet: frozenset[str]


def living(call: Call) -> list[Leg]:
    """Its channels."""
    return [leg for leg in (call.caller if call.caller_alive else None, call.other) if leg is not None]


def listed(call: Call) -> list[LegListed]:
    """The legs as the snapshot gives them now."""
    var = call.var
    legs = living(call)
    empty = Variables(stage="")
    return [
        LegListed(
            call_id=call.call_id,
            channel=leg.channel,
            uniqueid=leg.uniqueid,
            bridge=leg.bridge,
            up=leg.up or leg is call.caller,
            step=mine.step,
            stage=mine.stage,
            arrived=call.arrived,  # inherited by every leg
            line=call.line.number if leg is call.caller else "",
            queue_now=mine.queue_now,
            centre=mine.centre,
            listener=mine.listener,
            listener_channel=mine.listener_channel,
            connected_at=mine.connected_at,
            step_what=mine.step_what,
            step_detail=mine.step_detail,
            waiting_since=mine.waiting_since,
            overflow_at=mine.overflowed_at,
            linkedid=call.caller.uniqueid,
        )
        for leg in legs
        for mine in [var if leg is call.caller else empty]
    ]


def truth(call: Call) -> Truth:
    """What must be shown of it now."""
    var = call.var
    talking = call.place == "talking" or (call.place == "connecting" and call.caller.bridged)
    rings = call.other is not None and not call.other.up and call.place != "telephone"
    person = var.listener if talking or call.place == "lost" else None
    return Truth(
        stages=_stages(call.place, var.stage, bridged=call.caller.bridged),
        channel=call.caller.channel,
        line=call.line.number,
        arrived=call.arrived,
        step=var.step,
        ringing={interface_of(call.other.channel): call.other.channel} if rings and call.other else {},
        listener=person,
        listener_channel=var.listener_channel if talking else None,
        centre=_centre(call.place, var),
        waits={"waiting": True, "talking": False, "lost": False}.get(call.place),
        queue="national" if var.waiting_since else "",
        last_overflow_at=var.overflowed_at,
        legs={leg.uniqueid: leg.bridge for leg in living(call)},
        quiet=frozenset(leg.uniqueid for leg in living(call) if not leg.told),
    )


def _stages(place: str, stage: str, *, bridged: bool) -> frozenset[Stage]:
    if place == "connecting" and not bridged:  # somebody answered, and nobody hears anybody yet
        return frozenset({Stage.WAITING, Stage.OVERFLOW, Stage.LOST})
    if place == "after":  # the person's leg is gone, and nothing was said of it yet
        return frozenset({Stage.TALKING, Stage.WAITING})
    if place == "back" and stage == "overflow":
        return frozenset({Stage.OVERFLOW, Stage.LOST})
    return frozenset({Stage(stage)})


def _centre(place: str, var: Variables) -> str | None:
    """The centre that is called or talked with; None where it does not matter."""
    if place in {"route", "offer", "centre", "telephone"} and var.step_what != "department":
        return var.centre
    if place == "talking" and var.listener == TELEPHONE_CENTRE:
        return TELEPHONE_CENTRE
    if place == "talking" and var.queue_now in {"national", QUEUE_CENTRE}:
        return "" if var.queue_now == "national" else QUEUE_CENTRE
    return "" if place == "waiting" else None
