"""Frames of the manager interface → typed events. Names of headers are read here and in the parse_*.py beside.

A frame is the text between two empty lines, without the line end that closes it. Values cannot contain a line end, so
the first `CRLF Name: ` in a frame is that header; looking for the few headers that are needed is several times as fast
as splitting them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from pbx.channels import interface_of
from pbx.events import (
    BridgeEntered,
    BridgeLeft,
    CallerRefused,
    CallStep,
    ContactSeen,
    Event,
    LegGone,
    MemberLeft,
    MemberSeen,
    RingBegan,
)
from pbx.facts import DeviceState

EOL = "\r\n"
BANNER = b"Asterisk Call Manager/"

#: Epoch seconds: the year 5138. No clock of a PBX is beyond.
LAST_INSTANT = 1e11

#: AST_DEVICE_*, as numbers in queue events.
DEVICE_STATES = {
    "0": DeviceState.UNKNOWN,
    "1": DeviceState.FREE,
    "2": DeviceState.TALKING,
    "3": DeviceState.BUSY,
    "4": DeviceState.INVALID,
    "5": DeviceState.UNREACHABLE,
    "6": DeviceState.RINGING,
    "7": DeviceState.RINGING_WHILE_TALKING,
    "8": DeviceState.ON_HOLD,
}


def field(text: str, key: str) -> str:
    """The value after `key`, which is written with its line end and colon: `"\\r\\nQueue: "`. Empty when absent."""
    start = text.find(key)
    if start < 0:
        return ""
    start += len(key)
    end = text.find(EOL, start)
    return text[start:] if end < 0 else text[start:end]


class Nameless(ValueError):
    """A frame that does not say of which call, channel, bridge or membership it is: it tells nothing."""


def _at(text: str, now: float) -> float:
    """The event's own time; `now` (our guess of the PBX's clock) where manager.conf does not give it."""
    value = field(text, "\r\nTimestamp: ")
    if not value:
        return now
    at = float(value)
    if not 0.0 <= at < LAST_INSTANT:  # `nan` and `inf` are floats, too, and would spoil whatever they touch
        raise ValueError("no instant")
    return at


# --- live events ----------------------------------------------------------------------------------------------------


def _words(said: str) -> tuple[str, str, str, str]:
    """CallId, Step, What and Detail: in the order in which the dialplan gives them, else wherever they are."""
    _, *lines = said.split(EOL, 5)
    if len(lines) > 3:
        one, two, three, four = lines[:4]
        if one[:8] == "CallId: " and two[:6] == "Step: " and three[:6] == "What: " and four[:8] == "Detail: ":
            return one[8:], two[6:], three[6:], four[8:]
    return (
        field(said, "\r\nCallId: "),
        field(said, "\r\nStep: "),
        field(said, "\r\nWhat: "),
        field(said, "\r\nDetail: "),
    )


def _user_event(text: str, now: float) -> Event | None:
    # What the dialplan said stands behind the channel that said it.
    head, _, said = text.partition("\r\nUserEvent: ")
    if said.startswith("CallStep\r\n"):
        call_id, n, what, detail = _words(said)
        uniqueid = field(head, "\r\nUniqueid: ")
        if not call_id or not uniqueid:
            raise Nameless
        return CallStep(
            at=_at(head, now),
            call_id=call_id,
            n=int(n),
            what=what,
            detail=detail,
            channel=field(head, "\r\nChannel: "),
            uniqueid=uniqueid,
        )
    if said.startswith("CallRefused\r\n"):
        return CallerRefused(at=_at(head, now))
    if said.startswith("Ring\r\n"):
        channel, uniqueid = field(head, "\r\nChannel: "), field(head, "\r\nUniqueid: ")
        call_id = field(said, "\r\nCallId: ")
        if not call_id or not channel or not uniqueid:
            raise Nameless
        return RingBegan(
            at=_at(head, now),
            call_id=call_id,
            queue=field(said, "\r\nQueue: "),  # empty when the caller has just gone
            interface=interface_of(channel),
            channel=channel,
            uniqueid=uniqueid,
        )
    return None


def _agent_called(text: str, now: float) -> Event | None:
    call_id = field(text, "\r\nChanVariable: CALL_ID=")
    if not call_id:
        return None
    queue, interface = field(text, "\r\nQueue: "), field(text, "\r\nInterface: ")
    uniqueid = field(text, "\r\nDestUniqueid: ")
    if not queue or not interface or not uniqueid:
        raise Nameless
    return RingBegan(
        at=_at(text, now),
        call_id=call_id,
        queue=queue,
        interface=interface,
        channel=field(text, "\r\nDestChannel: "),
        uniqueid=uniqueid,
    )


def _leg(text: str) -> tuple[str, str, str, str]:
    """Name, uniqueid, linkedid and call of a frame's channel. Asterisk writes the last three in a row."""
    start = text.find("\r\nUniqueid: ") + 12
    uniqueid, _, rest = text[start : start + 400].partition("\r\nLinkedid: ")
    linkedid, _, rest = rest.partition("\r\nChanVariable: CALL_ID=")
    if start < 12 or not uniqueid or EOL in uniqueid or EOL in linkedid or not linkedid:  # not as Asterisk 22 writes it
        uniqueid, linkedid = field(text, "\r\nUniqueid: "), field(text, "\r\nLinkedid: ")
        if not uniqueid:
            raise Nameless
        return field(text, "\r\nChannel: "), uniqueid, linkedid, field(text, "\r\nChanVariable: CALL_ID=")
    return field(text, "\r\nChannel: "), uniqueid, linkedid, rest.partition(EOL)[0]


def _bridge_enter(text: str, now: float) -> Event:
    channel, uniqueid, linkedid, call_id = _leg(text)
    bridge = field(text, "\r\nBridgeUniqueid: ")
    if not bridge:
        raise Nameless
    return BridgeEntered(
        at=_at(text, now),
        call_id=call_id,
        channel=channel,
        uniqueid=uniqueid,
        linkedid=linkedid,
        bridge=bridge,
    )


def _bridge_leave(text: str, now: float) -> Event:
    channel, uniqueid, linkedid, call_id = _leg(text)
    bridge = field(text, "\r\nBridgeUniqueid: ")
    if not bridge:
        raise Nameless
    return BridgeLeft(
        at=_at(text, now),
        call_id=call_id,
        channel=channel,
        uniqueid=uniqueid,
        linkedid=linkedid,
        bridge=bridge,
    )


def _hangup(text: str, now: float) -> Event:
    channel, uniqueid, linkedid, call_id = _leg(text)
    cause = field(text, "\r\nCause: ")
    return LegGone(
        at=_at(text, now),
        call_id=call_id,
        channel=channel,
        uniqueid=uniqueid,
        linkedid=linkedid,
        cause=int(cause) if cause else 0,
    )


def member(text: str, now: float) -> MemberSeen:
    """A membership: in an event of its own, or in a list of them."""
    queue = field(text, "\r\nQueue: ")
    interface = field(text, "\r\nInterface: ") or field(text, "\r\nLocation: ")
    if not queue or not interface:
        raise Nameless
    paused = field(text, "\r\nPaused: ") == "1"
    return MemberSeen(
        at=_at(text, now),
        queue=queue,
        interface=interface,
        paused=paused,
        pause_reason=field(text, "\r\nPausedReason: ") if paused else "",
        device=DEVICE_STATES.get(field(text, "\r\nStatus: "), DeviceState.UNKNOWN),
        in_call=field(text, "\r\nInCall: ") == "1",
    )


def _member_removed(text: str, now: float) -> Event:
    queue, interface = field(text, "\r\nQueue: "), field(text, "\r\nInterface: ")
    if not queue or not interface:
        raise Nameless
    return MemberLeft(at=_at(text, now), queue=queue, interface=interface)


#: `Created` and `NonQualified` say that a registration exists; only a failed qualification says that nobody is there.
REACHABLE = {
    "Reachable": True,
    "NonQualified": True,
    "Created": True,
    "Unreachable": False,
    "Removed": False,
}


def _contact_status(text: str, now: float) -> Event | None:
    endpoint = field(text, "\r\nEndpointName: ")
    if not endpoint:
        return None
    status = field(text, "\r\nContactStatus: ")
    return ContactSeen(
        at=_at(text, now),
        endpoint=endpoint,
        uri=field(text, "\r\nURI: "),
        reachable=REACHABLE.get(status),
        removed=status == "Removed",
    )


Parser = Callable[[str, float], Event | None]

#: By event name: what the trackers need. Whatever is not here is dropped unread.
EVENTS: dict[bytes, Parser] = {
    b"UserEvent": _user_event,
    b"AgentCalled": _agent_called,
    b"BridgeEnter": _bridge_enter,
    b"BridgeLeave": _bridge_leave,
    b"Hangup": _hangup,
    b"QueueMemberAdded": member,
    b"QueueMemberPause": member,
    b"QueueMemberStatus": member,
    b"QueueMemberRemoved": _member_removed,
    b"ContactStatus": _contact_status,
}


# --- answers to actions ---------------------------------------------------------------------------------------------


class Answer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The `Response:` of an action. `text`: the whole frame, for what a single action wants to know."""

    success: bool
    message: str
    starts_list: bool
    text: str


#: Called with an action's answer and its list, at their place in the stream.
Settled = Callable[[Answer, list[str]], None]


def action_id(text: str) -> str:
    """The id of the action to which a frame belongs; empty for an event that nobody asked for."""
    return field(text, "\r\nActionID: ")


def answer(text: str) -> Answer:
    """A frame that begins with `Response: `."""
    return Answer(
        success=field(EOL + text, "\r\nResponse: ") in {"Success", "Goodbye"},
        message=field(text, "\r\nMessage: ").strip(),
        starts_list=field(text, "\r\nEventList: ").lower() == "start",
        text=text,
    )


def list_end(text: str) -> str:
    """How a list ends, in the last of its events: `complete` or `cancelled`; empty in any other."""
    said = field(text, "\r\nEventList: ").lower()
    return said if said in {"complete", "cancelled"} else ""


def is_event(text: str, name: str) -> bool:
    """True when the frame is an event of that name."""
    return text.startswith(f"Event: {name}\r\n")


def pong_time(reply: Answer) -> float | None:
    """The PBX's clock, from the answer to a Ping; None where that is no instant."""
    return _instant(field(reply.text, "\r\nTimestamp: "))


def clock_anchor(reply: Answer) -> tuple[str, float | None]:
    """Of which run of the machine, and the instant, from the answer to Getvar; None where that is no instant."""
    boot, _, anchor = field(reply.text, "\r\nValue: ").partition(" ")
    return boot, _instant(anchor)


def _instant(text: str) -> float | None:
    at = number(text)
    return at if at is not None and 0.0 <= at < LAST_INSTANT else None


def started(reply: Answer) -> str:
    """When this Asterisk process started, from the answer to CoreStatus, by the second: only good to compare."""
    date, time = field(reply.text, "\r\nCoreStartupDate: "), field(reply.text, "\r\nCoreStartupTime: ")
    return f"{date} {time}".strip()


def version(reply: Answer) -> str:
    """`22.10.1+…`, from the answer to CoreSettings."""
    return field(reply.text, "\r\nAsteriskVersion: ")


def number(value: str) -> float | None:
    """A value that may be one; None for infinities, too."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
