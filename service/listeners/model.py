"""What a listener is doing, derived from what Asterisk said and from nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pbx.calls import LiveCall
from pbx.facts import DeviceState, Stage
from pbx.queues import Member

_TECHNOLOGY = "PJSIP/"
#: set by the dialplan when a call is connected, ended by the listener alone
WRAP_UP = "wrap-up"
#: set by the dialplan while it waits for a lost listener to come back
RECONNECTING = "reconnecting"
#: set by the service when the listener's phone refuses call after call at once (service/decisions/storms.py)
FAULT = "fault"


class ListenerState(StrEnum):
    """The state that is shown."""

    ABSENT = "absent"
    FREE = "free"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Doing:
    """What a listener is doing. `pause_reason`: a key where paused, else empty. `call_id`: rung or talked on."""

    state: ListenerState
    pause_reason: str = ""
    call_id: str = ""


#: the dialplan pauses a member for wrap-up as they are connected: until the phone is down they still talk
_ON_THE_PHONE = frozenset(
    {DeviceState.TALKING, DeviceState.BUSY, DeviceState.ON_HOLD, DeviceState.RINGING_WHILE_TALKING}
)
ABSENT = Doing(ListenerState.ABSENT)


def endpoint_of(account_id: int) -> str:
    """The phone's name in Asterisk: `l12`."""
    return f"l{account_id}"


def interface_of(account_id: int) -> str:
    """What a queue dials: `PJSIP/l12`."""
    return _TECHNOLOGY + endpoint_of(account_id)


def account_of(interface_or_endpoint: str) -> int | None:
    """Account of `PJSIP/l12` or `l12`; None for anything else (a centre's id, a trunk)."""
    name = interface_or_endpoint.removeprefix(_TECHNOLOGY)
    if name.startswith("l") and name[1:].isdecimal():
        return int(name[1:])
    return None


def doing_by_interface(calls: Iterable[LiveCall]) -> Mapping[str, LiveCall]:
    """Interface → the call that rings it or that it talks on. Talking outranks ringing."""
    found: dict[str, LiveCall] = {}
    for call in calls:
        for interface in call.ringing:
            found.setdefault(interface, call)
    for call in calls:
        if call.stage is Stage.TALKING and call.listener:
            found[call.listener] = call
    return found


def doing(interface: str, member: Member | None, call: LiveCall | None, reachable: bool) -> Doing:
    """`call`: of `doing_by_interface`. `reachable`: the phone is registered.

    A conversation outlives the membership: a listener who signed out while talking is talking.
    """
    if call is not None and call.stage is Stage.TALKING and call.listener == interface:
        return Doing(ListenerState.TALKING, "", call.call_id)
    if call is not None and interface in call.ringing:
        return Doing(ListenerState.RINGING, "", call.call_id)
    if member is None or not member.queues:
        return ABSENT
    on_the_phone = member.device in _ON_THE_PHONE
    if member.paused and not (on_the_phone and member.pause_reason == WRAP_UP):
        return _paused(member.pause_reason)
    return Doing(_unpaused(member.device, reachable=reachable, on_the_phone=on_the_phone))


def _unpaused(device: DeviceState, *, reachable: bool, on_the_phone: bool) -> ListenerState:
    if on_the_phone:
        return ListenerState.TALKING
    if not reachable or device in (DeviceState.UNREACHABLE, DeviceState.INVALID):
        return ListenerState.UNREACHABLE
    return ListenerState.RINGING if device is DeviceState.RINGING else ListenerState.FREE


def _paused(reason: str) -> Doing:
    if reason == WRAP_UP:
        return Doing(ListenerState.WRAP_UP)
    return Doing(ListenerState.PAUSED, reason)
