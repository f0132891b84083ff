"""Quick recovery: a listener's browser died under a call; free the caller from its dead leg at once. Pure.

Only when one listener is lost alone: if several vanish together, the network or the service's own view is at fault, and
hanging up legs would tear conversations apart that may well go on. The loss of a listener
who is the only one there cannot be told from a network that blinked: without another's registered phone as a witness
that the network is well, the PBX's own silence timer (rtp_timeout, 3 s) frees the caller.

Also here: a listener whom the dialplan held for a caller that is gone (the PBX died under the grace) writes up instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pbx.facts import Stage
from service.listeners.model import RECONNECTING, account_of
from service.world import Line, LinkState, LostPhone, World

#: two phones lost within this time are not "one alone"
TOGETHER_SECONDS = 10.0
#: long enough for a companion in misfortune to show, short enough to speak to the caller within 3 s
HESITATION_SECONDS = 0.7
#: a page that reloads is back at once, yet its old leg is dead: its socket went within this time of its phone
SAME_CRASH_SECONDS = 3.0
#: after a gap, calls and members are believed together once both had time to be told
STRANDED_SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PageSocket:
    """Of one account: is any page's live socket open, and when did the last one go."""

    open: bool
    gone_at: float


@dataclass(frozen=True, slots=True)
class LostLeg:
    """`channel`: the listener's leg whose browser is gone."""

    account_id: int
    call_id: str
    channel: str


def find_lost_leg(world: World, pbx: str, sockets: Mapping[int, PageSocket], now: float) -> LostLeg | None:
    """At most one leg, once. All instants are the service's monotonic clock.

    The leg is the one that the listener had when the phone was lost: a later call is never touched.
    """
    line = world.lines[pbx]
    if line.link is not LinkState.UP or line.in_sync_since is None:
        return None
    if now - line.in_sync_since < world.rules.settle_seconds:
        return None
    lately = {account: lost for account, lost in line.phones_lost.items() if now - lost.at <= TOGETHER_SECONDS}
    if len(lately) != 1:
        return None
    account_id, lost = next(iter(lately.items()))
    if now - lost.at < HESITATION_SECONDS or not _witnessed(line, account_id):
        return None
    if not lost.removed or not _page_died_too(sockets.get(account_id), lost):
        return None
    dropped = lost.channel in world.dropped_legs.get(lost.call_id, ())
    there = not dropped and line.has_leg(lost.call_id, lost.channel)
    return LostLeg(account_id, lost.call_id, lost.channel) if there else None


def find_stranded(line: Line, now: float) -> frozenset[str]:
    """Interfaces that are held for a lost caller who is not there any more. `now`: the service's monotonic clock."""
    if line.link is not LinkState.UP or line.in_sync_since is None:
        return frozenset()
    if now - line.in_sync_since < STRANDED_SETTLE_SECONDS:
        return frozenset()
    awaited = {call.listener for call in line.state.calls.values() if call.stage is Stage.LOST}
    held = (m.interface for m in line.state.members.values() if m.paused and m.pause_reason == RECONNECTING)
    return frozenset(held) - awaited


def _witnessed(line: Line, account_id: int) -> bool:
    """Another listener's phone is registered: the network is well, and the loss is this listener's own."""
    phones = line.state.phones.items()
    return any(up for endpoint, up in phones if account_of(endpoint) not in (None, account_id))


def _page_died_too(socket: PageSocket | None, lost: LostPhone) -> bool:
    if socket is None or not lost.channel:
        return False  # this account's page was never here: nothing is known of it
    return not socket.open or abs(socket.gone_at - lost.at) <= SAME_CRASH_SECONDS
