"""Overflow: when a waiting caller is offered a centre, and which. Pure and level-triggered.

The decision is evaluated again on every change and every tick while the caller waits; what keeps it from being carried
out twice is the world itself, which knows the command in flight. It is carried out with QueueWithdrawCaller, which
fails harmlessly once a listener has answered. The caller keeps their rank and may decline.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.calls import LiveCall
from pbx.facts import Stage
from service.queues.model import NATIONAL_QUEUE
from service.world import Line, LinkState, World


@dataclass(frozen=True, slots=True)
class Stay:
    """The caller goes on waiting. `why` is a kebab-case id, for tests and logs."""

    why: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Take the caller out of the queue. `info`: `centre:<id>`, or `ask` for the department."""

    info: str


Decision = Stay | Offer

#: phones that rang in vain for a caller: after so many, a listener who is said to be free is not believed to be there
RANG_OUT_ENOUGH = 2


def decide(world: World, call: LiveCall, pbx: str, now: float) -> Decision:
    """`now`: epoch seconds on the PBX's clock, as are the call's times."""
    line = world.lines[pbx]
    why = _cannot(world, line, call) or _need_not(world, line, call, now)
    return Stay(why) if why else Offer(_target(world, call.call_id))


def _cannot(world: World, line: Line, call: LiveCall) -> str:
    """Why the caller cannot be offered a centre; empty if they can."""
    if line.link is not LinkState.UP:
        return "pbx-not-connected"
    if call.stage is not Stage.WAITING or call.queue != NATIONAL_QUEUE or call.waiting_since is None:
        return "not-waiting"
    if not world.routes.any():
        return "no-routes"
    return "a-listener-is-ringing" if call.ringing else ""


def _need_not(world: World, line: Line, call: LiveCall, now: float) -> str:
    """Why there is no need to offer a centre now; empty if there is."""
    if world.withdrawal_in_flight(call.call_id, now):
        return "in-flight"
    if call.last_overflow_at is not None and now - call.last_overflow_at < world.rules.again_after_seconds:
        return "offered-lately"
    staffing = line.staffing(NATIONAL_QUEUE)
    if staffing.free and world.rang_out.get(call.call_id, 0) < RANG_OUT_ENOUGH:
        return "somebody-is-free"
    waited = 0.0 if call.waiting_since is None else now - call.waiting_since
    return "not-yet" if staffing.signed_in and waited < world.rules.after_seconds else ""


def _target(world: World, call_id: str) -> str:
    """Department of a known case; a number's prefix never decides. Unclear or without a centre: the caller is asked."""
    department = world.known_department(call_id)
    centre = world.routes.centre_of(department) if department else None
    return f"centre:{centre}" if centre else "ask"
