"""Lists of the manager interface → what the snapshot and the commands want to know. See parse.py."""

from __future__ import annotations

from collections.abc import Iterable

from pbx.events import ContactSeen, LegListed, MemberSeen
from pbx.parse import REACHABLE, Nameless, field, is_event, member, number
from pbx.replies import ListNotWhole, MemberListed

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


def _variable(text: str, name: str) -> str:
    value = field(text, f"\r\nVariable: {name}=")
    return "" if value == "(null)" else value


def leg_listed(text: str) -> LegListed | None:
    """A `Status` event of the snapshot."""
    if not is_event(text, "Status"):
        return None
    uniqueid = field(text, "\r\nUniqueid: ")
    if not uniqueid:
        raise Nameless
    value = {name: _variable(text, name) for name in SNAPSHOT_VARIABLES}
    return LegListed(
        call_id=value["CALL_ID"],
        channel=field(text, "\r\nChannel: "),
        uniqueid=uniqueid,
        bridge=field(text, "\r\nBridgeID: "),
        up=field(text, "\r\nChannelState: ") == "6",
        step=int(number(value["STEP"]) or 0),
        stage=value["STAGE"],
        arrived=int(number(value["ARRIVED"]) or 0),
        line=value["LINE"],
        queue_now=value["QUEUE_NOW"],
        centre=value["CENTRE"],
        listener=value["LISTENER"],
        listener_channel=value["LISTENER_CHANNEL"],
        connected_at=number(value["CONNECTED_AT"]),
        step_what=value["STEP_WHAT"],
        step_detail=value["STEP_DETAIL"],
        waiting_since=number(value["WAITING_SINCE"]),
        overflow_at=number(value["OVERFLOWED_AT"]),
        linkedid=field(text, "\r\nLinkedid: "),
    )


def member_listed(text: str, now: float) -> MemberSeen | None:
    """A `QueueMember` event of QueueStatus."""
    return member(text, now) if is_event(text, "QueueMember") else None


def contact_listed(text: str, now: float) -> ContactSeen | None:
    """A `ContactList` event of PJSIPShowContacts."""
    if not is_event(text, "ContactList"):
        return None
    return ContactSeen(
        at=now,
        endpoint=field(text, "\r\nEndpoint: "),
        uri=field(text, "\r\nUri: "),
        reachable=REACHABLE.get(field(text, "\r\nStatus: "), True),
    )


def route_listed(text: str, family: str) -> tuple[str, str] | None:
    """A `DBGetTreeResponse` event: key without its family, and value."""
    if not is_event(text, "DBGetTreeResponse"):
        return None
    return field(text, "\r\nKey: ").removeprefix(f"/{family}/"), field(text, "\r\nVal: ")


def queues_listed(items: Iterable[str]) -> dict[str, dict[str, MemberListed]]:
    """`QueueParams` and `QueueMember` events of QueueStatus: queue → interface → membership.

    Raises ListNotWhole when one of them cannot be read: what is missing would be made anew.
    """
    found: dict[str, dict[str, MemberListed]] = {}
    try:
        for text in items:
            if is_event(text, "QueueParams"):
                found.setdefault(field(text, "\r\nQueue: "), {})
            elif is_event(text, "QueueMember"):
                seen = member(text, 0.0)
                penalty = int(number(field(text, "\r\nPenalty: ")) or 0)
                members = found.setdefault(seen.queue, {})
                members[seen.interface] = MemberListed(penalty, seen.paused, seen.pause_reason)
    except ValueError as error:
        raise ListNotWhole("one of its entries cannot be read") from error
    return found


def dialplan_listed(text: str) -> str | None:
    """A `ListDialplan` event of ShowDialPlan, as `Application(arguments)`; None for one without an application."""
    if not is_event(text, "ListDialplan"):
        return None
    application = field(text, "\r\nApplication: ")
    data = field(text, "\r\nAppData: ")  # not within the f-string: Python 3.11 takes no backslash there
    return f"{application}({data})" if application else None
