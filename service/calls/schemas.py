"""Records of calls, on the wire. No number, no content."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from pbx.facts import EndedBy
from service.calls.model import Reason, Result
from service.calls.visits import Outcome
from service.http.fields import Instant
from service.http.routing import Wire


class CallSummary(Wire):
    """`result`, `reason`: what became of the call, a pair of docs/exits.md. Null while it is open, but for `result`
    once it was answered.

    `wait_seconds`: in queues before the first answer, or before the end. `waiting_seconds`: with nobody, from the first
    queue on, over all visits. `talk_seconds`: all conversations. These two are null while the call is open, and for
    calls recorded before they were kept. `visits`: to the national queue. `overflows`: times that a centre was to be
    offered; `overflows_answered`: times that one answered.
    """

    call_id: str
    pbx: str
    line: str
    arrived_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    result: Result | None
    reason: Reason | None
    ended_by: EndedBy | None
    listener_id: int | None
    listener: str | None
    wait_seconds: float | None
    waiting_seconds: float | None
    talk_seconds: float | None
    visits: int
    overflows: int
    overflows_answered: int
    centre: str | None
    department: str | None


class Happened(Wire):
    """One fact of the call. `detail`: its own fields, by kind of fact."""

    at: datetime
    what: str
    detail: dict[str, Any]


class QueueVisit(Wire):
    """The caller in a queue (`national`, or a centre's), or at a centre's telephone. `rings`: of phones for them in it.

    `seconds`, `outcome`: null while it lasts.
    """

    queue: str
    way: str
    began_at: datetime
    seconds: float | None
    rings: int
    outcome: Outcome | None


class CallOut(CallSummary):
    """With all that happened, in order."""

    queue_visits: list[QueueVisit]
    timeline: list[Happened]


class CallsOut(Wire):
    """The newest first."""

    calls: list[CallSummary]


class CallsQuery(Wire):
    """`since`: an instant with time zone; none: the last 24 hours."""

    since: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
