"""Who is with a caller, by the bridges of the legs of all live calls."""

from __future__ import annotations

from pbx.legs import Leg
from pbx.state import PbxState


def with_caller(state: PbxState, call_id: str) -> list[Leg]:
    """The other legs in the caller's bridge, of whichever call, and those behind a Local channel."""
    call = state.calls.get(call_id)
    legs = [leg for live in list(state.calls.values()) for leg in list(live.legs.values())]  # read beside the loop
    caller = None if call is None else call.legs.get(call.uniqueid)
    rooms = [caller.bridge] if caller is not None and caller.bridge else []
    found: list[Leg] = []
    for room in rooms:  # grows while it is read
        for leg in legs:
            if leg.bridge == room and leg is not caller:
                if half := other_half(leg.channel):
                    rooms += [leg.bridge for leg in legs if leg.channel == half and leg.bridge not in {"", *rooms}]
                else:
                    found.append(leg)
    return found


def other_half(channel: str) -> str:
    """`Local/l2@shapes-00000003;1` ↔ `…;2`; empty for a channel that is no half of a Local one."""
    if not channel.startswith("Local/"):
        return ""
    return channel[:-1] + {"1": "2", "2": "1"}.get(channel[-1], "")
