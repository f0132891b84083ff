"""Worlds for tests of pure parts: what a PBX would have said, put in place by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from pbx.calls import LiveCall
from pbx.facts import DeviceState, Stage
from pbx.queues import Member
from service.centres.model import Routes
from service.world import Line, LinkState, Rules, World

PBX = "pbx1"
RULES = Rules(after_seconds=90, again_after_seconds=180, settle_seconds=30)
ROUTES = Routes({"38": "centre-38", "05": "centre-04"}, {"centre-38": "", "centre-04": "+33465711038"})


@dataclass
class State:
    """As `PbxState` is read."""

    calls: dict[str, LiveCall] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    phones: dict[str, bool] = field(default_factory=dict)


def world(*calls: LiveCall, members: tuple[Member, ...] = (), link: LinkState = LinkState.UP) -> World:
    """One PBX, connected since instant 0, its listeners' phones reachable."""
    made = World(RULES)
    state = State(
        {call.call_id: call for call in calls},
        {member.interface: member for member in members},
        {member.interface.removeprefix("PJSIP/"): True for member in members},
    )
    made.lines[PBX] = Line(PBX, state, link=link, in_sync_since=0.0)  # type: ignore[arg-type]
    made.routes = ROUTES
    return made


def waiting(call_id: str = "c1", *, since: float = 1000.0, arrived: int = 1000, queue: str = "national") -> LiveCall:
    return LiveCall(
        call_id,
        channel=f"PJSIP/trunk-{call_id}",
        arrived=arrived,
        stage=Stage.WAITING,
        queue=queue,
        waiting_since=since,
    )


def talking(call_id: str, listener: str, channel: str = "PJSIP/l12-0001") -> LiveCall:
    return LiveCall(
        call_id,
        channel=f"PJSIP/trunk-{call_id}",
        arrived=1000,
        stage=Stage.TALKING,
        queue="national",
        listener=listener,
        listener_channel=channel,
        answered_at=1010.0,
    )


def member(
    interface: str = "PJSIP/l12",
    *,
    device: DeviceState = DeviceState.FREE,
    paused: str = "",
    queues: frozenset[str] = frozenset({"national"}),
) -> Member:
    return Member(interface, set(queues), paused=bool(paused), pause_reason=paused, device=device)
