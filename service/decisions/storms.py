"""Storms: a listener whose phone refuses call after call at once is paused, and told so on their page. Pure.

Without it the queue rings such a phone once a second for as long as somebody waits (`retry` in queues.conf bounds it,
also with the service stopped), the listener is shown as free, and waits for calls that never reach them. When all
phones refuse, each is rung once a second for each of as many callers: ten phones 93 times a second (measured).
They end this pause themselves, like any other.
"""

from __future__ import annotations

from service.listeners.model import FAULT
from service.world import Line, LinkState, Rules

#: a pause that was asked for and not seen may be asked for again
ASK_AGAIN_SECONDS = 10.0
#: so many are rung on when everybody's phones refuse, or half of those on duty where they are fewer
LEFT_TO_BE_RUNG = 5


def find_faulty(line: Line, rules: Rules, now: float) -> list[str]:
    """Interfaces whose phone is at fault, worst first. `now`: epoch seconds, the PBX's clock.

    Some of those on duty are never paused for it: when everybody's legs fail, it is not their phones, and once it is
    over somebody must be rung. Who is alone on duty is paused: nobody free means that callers are offered a centre.
    """
    if line.link is not LinkState.UP:
        return []
    members = line.state.members.values()
    asked = {interface for interface, at in line.faults_asked.items() if abs(now - at) < ASK_AGAIN_SECONDS}
    resting = asked | {member.interface for member in members if member.paused and member.pause_reason == FAULT}
    rung = {member.interface for member in members if not member.paused}
    failed = {interface: line.failed_legs.count(interface, now - rules.storm_seconds) for interface in rung - asked}
    faulty = [interface for interface, legs in failed.items() if legs >= rules.storm_legs]
    on_duty = len(rung | resting)
    left = min(LEFT_TO_BE_RUNG, (on_duty + 1) // 2) if on_duty > 1 else 0
    room = on_duty - left - len(resting)
    return sorted(faulty, key=lambda interface: (-failed[interface], interface))[: max(0, room)]
