"""Records of calls, on the wire. No number, no content."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from pbx.facts import EndedBy
from service.calls.model import Result
from service.http.routing import Wire


class CallSummary(Wire):
    """`result` is null while the call is open. `wait_seconds`: in queues before the first answer, or before the end."""

    call_id: str
    pbx: str
    line: str
    arrived_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    result: Result | None
    ended_by: EndedBy | None
    listener_id: int | None
    listener: str | None
    wait_seconds: float | None
    centre: str | None
    department: str | None


class Happened(Wire):
    """One fact of the call. `detail`: its own fields, by kind of fact."""

    at: datetime
    what: str
    detail: dict[str, Any]


class CallOut(CallSummary):
    """With all that happened, in order."""

    timeline: list[Happened]


class CallsOut(Wire):
    """The newest first."""

    calls: list[CallSummary]


class CallsQuery(Wire):
    """`since`: an instant with time zone; none: the last 24 hours."""

    since: datetime | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class KnownQuery(Wire):
    """`confirmed`: the listener has confirmed who is speaking (for a number that the accused may use too)."""

    confirmed: bool = False
