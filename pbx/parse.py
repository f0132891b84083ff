"""Frames of the manager interface → typed events. The only file that reads header names.

A frame is the text between two empty lines, without the line end that closes it. Values cannot contain a line end, so
the first `CRLF Name: ` in a frame is that header; looking for the few headers that are needed is several times as fast
as splitting them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

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
    LegListed,
    MemberLeft,
    MemberSeen,
    RingBegan,
)
from pbx.facts import DeviceState
from pbx.replies import MemberListed

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

#: Asked of every channel in the snapshot; `LegListed` says what they are. One that is not set comes as `(null)`.
SNAPSHOT_VARIABLES = (
    "CALL_ID",
    "STEP",
    "STAGE",
    "ARRIVED",
    "LINE",
    "QUEUE_NOW",
    "CENTRE",
    "LISTENER",
    "LISTENER_CHANNEL",
    "CONNECTED_AT",
    "STEP_WHAT",
    "STEP_DETAIL",
    "WAITING_SINCE",
    "OVERFLOWED_AT",
)


def field(text: str, key: str) -> str:
    """The value after `key`, which is written with its line end and colon: `"\\r\\nQueue: "`. Empty when absent."""
    start = text.find(key)
    if start < 0:
        return ""
    start += len(key)
    end = text.find(EOL, start)
    return text[start:] if end < 0 else text[start:end]


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
        return CallStep(
            at=_at(head, now),
            call_id=call_id,
            n=int(n),
            what=what,
            detail=detail,
            channel=field(head, "\r\nChannel: "),
            uniqueid=field(head, "\r\nUniqueid: "),
        )
    if said.startswith("CallRefused\r\n"):
        return CallerRefused(at=_at(head, now))
    if said.startswith("Ring\r\n"):
        channel = field(head, "\r\nChannel: ")
        return RingBegan(
            at=_at(head, now),
            call_id=field(said, "\r\nCallId: "),
            queue=field(said, "\r\nQueue: "),
            interface=interface_of(channel),
            channel=channel,
            uniqueid=field(head, "\r\nUniqueid: "),
        )
    return None


def _agent_called(text: str, now: float) -> Event | None:
    call_id = field(text, "\r\nChanVariable: CALL_ID=")
    if not call_id:
        return None
    return RingBegan(
        at=_at(text, now),
        call_id=call_id,
        queue=field(text, "\r\nQueue: "),
        interface=field(text, "\r\nInterface: "),
        channel=field(text, "\r\nDestChannel: "),
        uniqueid=field(text, "\r\nDestUniqueid: "),
    )


def _leg(text: str) -> tuple[str, str, str, str]:
    """Name, uniqueid, linkedid and call of a frame's channel. Asterisk writes the last three in a row."""
    start = text.find("\r\nUniqueid: ") + 12
    uniqueid, _, rest = text[start : start + 400].partition("\r\nLinkedid: ")
    linkedid, _, rest = rest.partition("\r\nChanVariable: CALL_ID=")
    if start < 12 or EOL in uniqueid or EOL in linkedid or not linkedid:  # not as Asterisk 22 writes it
        uniqueid, linkedid = field(text, "\r\nUniqueid: "), field(text, "\r\nLinkedid: ")
        return field(text, "\r\nChannel: "), uniqueid, linkedid, field(text, "\r\nChanVariable: CALL_ID=")
    return field(text, "\r\nChannel: "), uniqueid, linkedid, rest.partition(EOL)[0]


def _bridge_enter(text: str, now: float) -> Event:
    channel, uniqueid, linkedid, call_id = _leg(text)
    return BridgeEntered(
        at=_at(text, now),
        call_id=call_id,
        channel=channel,
        uniqueid=uniqueid,
        linkedid=linkedid,
        bridge=field(text, "\r\nBridgeUniqueid: "),
    )


def _bridge_leave(text: str, now: float) -> Event:
    channel, uniqueid, linkedid, call_id = _leg(text)
    return BridgeLeft(
        at=_at(text, now),
        call_id=call_id,
        channel=channel,
        uniqueid=uniqueid,
        linkedid=linkedid,
        bridge=field(text, "\r\nBridgeUniqueid: "),
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


def _member(text: str, now: float) -> MemberSeen:
    paused = field(text, "\r\nPaused: ") == "1"
    return MemberSeen(
        at=_at(text, now),
        queue=field(text, "\r\nQueue: "),
        interface=field(text, "\r\nInterface: ") or field(text, "\r\nLocation: "),
        paused=paused,
        pause_reason=field(text, "\r\nPausedReason: ") if paused else "",
        device=DEVICE_STATES.get(field(text, "\r\nStatus: "), DeviceState.UNKNOWN),
        in_call=field(text, "\r\nInCall: ") == "1",
    )


def _member_removed(text: str, now: float) -> Event:
    return MemberLeft(at=_at(text, now), queue=field(text, "\r\nQueue: "), interface=field(text, "\r\nInterface: "))


#: `Created` and `NonQualified` say that a registration exists; only a failed qualification says that nobody is there.
_REACHABLE = {
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
        reachable=_REACHABLE.get(status),
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
    b"QueueMemberAdded": _member,
    b"QueueMemberPause": _member,
    b"QueueMemberStatus": _member,
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


def ends_list(text: str) -> bool:
    """True for the last event of a list, complete or cancelled."""
    return field(text, "\r\nEventList: ").lower() in {"complete", "cancelled"}


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
    at = _number(text)
    return at if at is not None and 0.0 <= at < LAST_INSTANT else None


def started(reply: Answer) -> str:
    """When this Asterisk process started, from the answer to CoreStatus, by the second: only good to compare."""
    date, time = field(reply.text, "\r\nCoreStartupDate: "), field(reply.text, "\r\nCoreStartupTime: ")
    return f"{date} {time}".strip()


def version(reply: Answer) -> str:
    """`22.10.1+…`, from the answer to CoreSettings."""
    return field(reply.text, "\r\nAsteriskVersion: ")


def _variable(text: str, name: str) -> str:
    value = field(text, f"\r\nVariable: {name}=")
    return "" if value == "(null)" else value


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def leg_listed(text: str) -> LegListed | None:
    """A `Status` event of the snapshot."""
    if not is_event(text, "Status"):
        return None
    value = {name: _variable(text, name) for name in SNAPSHOT_VARIABLES}
    return LegListed(
        call_id=value["CALL_ID"],
        channel=field(text, "\r\nChannel: "),
        uniqueid=field(text, "\r\nUniqueid: "),
        bridge=field(text, "\r\nBridgeID: "),
        up=field(text, "\r\nChannelState: ") == "6",
        step=int(_number(value["STEP"]) or 0),
        stage=value["STAGE"],
        arrived=int(_number(value["ARRIVED"]) or 0),
        line=value["LINE"],
        queue_now=value["QUEUE_NOW"],
        centre=value["CENTRE"],
        listener=value["LISTENER"],
        listener_channel=value["LISTENER_CHANNEL"],
        connected_at=_number(value["CONNECTED_AT"]),
        step_what=value["STEP_WHAT"],
        step_detail=value["STEP_DETAIL"],
        waiting_since=_number(value["WAITING_SINCE"]),
        overflow_at=_number(value["OVERFLOWED_AT"]),
        linkedid=field(text, "\r\nLinkedid: "),
    )


def member_listed(text: str, now: float) -> MemberSeen | None:
    """A `QueueMember` event of QueueStatus."""
    return _member(text, now) if is_event(text, "QueueMember") else None


def contact_listed(text: str, now: float) -> ContactSeen | None:
    """A `ContactList` event of PJSIPShowContacts."""
    if not is_event(text, "ContactList"):
        return None
    return ContactSeen(
        at=now,
        endpoint=field(text, "\r\nEndpoint: "),
        uri=field(text, "\r\nUri: "),
        reachable=_REACHABLE.get(field(text, "\r\nStatus: "), True),
    )


def route_listed(text: str, family: str) -> tuple[str, str] | None:
    """A `DBGetTreeResponse` event: key without its family, and value."""
    if not is_event(text, "DBGetTreeResponse"):
        return None
    return field(text, "\r\nKey: ").removeprefix(f"/{family}/"), field(text, "\r\nVal: ")


def queues_listed(items: Iterable[str]) -> dict[str, dict[str, MemberListed]]:
    """`QueueParams` and `QueueMember` events of QueueStatus: queue → interface → membership."""
    found: dict[str, dict[str, MemberListed]] = {}
    for text in items:
        if is_event(text, "QueueParams"):
            found.setdefault(field(text, "\r\nQueue: "), {})
        elif is_event(text, "QueueMember"):
            seen = _member(text, 0.0)
            penalty = int(_number(field(text, "\r\nPenalty: ")) or 0)
            members = found.setdefault(seen.queue, {})
            members[seen.interface] = MemberListed(penalty, seen.paused, seen.pause_reason)
    return found


def dialplan_listed(text: str) -> str | None:
    """A `ListDialplan` event of ShowDialPlan, as `Application(arguments)`; None for one without an application."""
    if not is_event(text, "ListDialplan"):
        return None
    application = field(text, "\r\nApplication: ")
    data = field(text, "\r\nAppData: ")  # not within the f-string: Python 3.11 takes no backslash there
    return f"{application}({data})" if application else None
