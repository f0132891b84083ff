"""Quick recovery: a listener's browser died under a call; free the caller from its dead leg at once. Pure.

Only when one listener is lost alone: if several vanish together, the network or the service's own view is at fault, and
hanging up legs would tear conversations apart that may well go on (DESIGN.md, "Browser phone").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.world import LinkState, LostPhone, World

#: two phones lost within this time are not "one alone"
TOGETHER_SECONDS = 10.0
#: long enough for a companion in misfortune to show, short enough to speak to the caller within 3 s
HESITATION_SECONDS = 0.7
#: a page that reloads is back at once, yet its old leg is dead: its socket went within this time of its phone
SAME_CRASH_SECONDS = 3.0


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
    if now - lost.at < HESITATION_SECONDS or not _page_died_too(sockets.get(account_id), lost):
        return None
    if lost.channel in world.dropped_legs.get(lost.call_id, ()) or not line.has_leg(lost.call_id, lost.channel):
        return None
    return LostLeg(account_id, lost.call_id, lost.channel)


def _page_died_too(socket: PageSocket | None, lost: LostPhone) -> bool:
    if socket is None or not lost.channel:
        return False  # this account's page was never here: nothing is known of it
    return not socket.open or abs(socket.gone_at - lost.at) <= SAME_CRASH_SECONDS
