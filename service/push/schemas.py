"""What the live socket sends, as the API describes it and as the pages' types are made from it.

The values are made in `views.py` and encoded once, without these models; tests hold every message against them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel

from service.cases.schemas import ContactState, Known
from service.health.model import AlarmId, Cause, Severity
from service.http.routing import Wire
from service.listeners.model import ListenerState


class LineView(Wire):
    """`as_of`: up to when the rest of the view is true."""

    state: Literal["up", "lost", "refused", "starting"]
    as_of: datetime
    since: datetime


class MeView(Wire):
    """The listener's own state, as the PBX has it. `phone_session`: whose page has the phone; null: not known."""

    state: ListenerState
    pause_reason: str | None
    since: datetime
    phone_reachable: bool
    phone_session: int | None
    ending_wrapup: bool


class OfferView(Known):
    """A call that rings for this listener, with what they may know of the caller. `returning`: their own, come back."""

    call_id: str
    rung_at: datetime | None
    returning: bool


class ContactView(ContactState):
    """The listener's current contact, until they end the wrap-up. `call_live`: the caller is still with them."""

    call_live: bool


class CallView(Wire):
    """A call on the supervisor's board.

    `arrived_at`: unknown for a moment while a call is found that began before the service. `position`: rank by arrival
    among those who wait in its queue; who is offered a centre, or whose listener was lost, waits and keeps it.
    """

    call_id: str
    stage: Literal["entry", "closed", "waiting", "talking", "lost", "overflow"]
    queue: str | None
    arrived_at: datetime | None
    position: int | None
    listener_id: int | None
    listener_name: str | None
    answered_at: datetime | None
    centre: str | None


class ListenerView(Wire):
    """A listener on the supervisor's board."""

    account_id: int
    name: str
    state: ListenerState
    pause_reason: str | None
    since: datetime
    queues: list[str]


class AlarmView(Wire):
    """Something is wrong with the line (docs/alarms.md). `cause`: where there may be several."""

    id: AlarmId
    subject: str
    severity: Severity
    since: datetime
    cause: Cause | None


class LineEntity(Wire):
    """A PBX's connection, by its id. A value of null, here and below: it is gone."""

    kind: Literal["line"]
    id: str
    value: LineView | None


class MeEntity(Wire):
    """By account id."""

    kind: Literal["me"]
    id: str
    value: MeView | None


class OfferEntity(Wire):
    """By call id."""

    kind: Literal["offer"]
    id: str
    value: OfferView | None


class ContactEntity(Wire):
    """By contact id."""

    kind: Literal["contact"]
    id: str
    value: ContactView | None


class CallEntity(Wire):
    """By call id."""

    kind: Literal["call"]
    id: str
    value: CallView | None


class ListenerEntity(Wire):
    """By account id."""

    kind: Literal["listener"]
    id: str
    value: ListenerView | None


class AlarmEntity(Wire):
    """By id and subject, for those who watch the line."""

    kind: Literal["alarm"]
    id: str
    value: AlarmView | None


class NoticeEntity(Wire):
    """An alarm that concerns whoever writes, on their page."""

    kind: Literal["notice"]
    id: str
    value: AlarmView | None


Entity = Annotated[
    LineEntity | MeEntity | OfferEntity | ContactEntity | CallEntity | ListenerEntity | AlarmEntity | NoticeEntity,
    Field(discriminator="kind"),
]


class LiveSnapshot(Wire):
    """The first message: everything that this page may see. `account_id`: who is signed in on this socket."""

    type: Literal["snapshot"]
    seq: int
    account_id: int
    entities: list[Entity]


class LiveChanges(Wire):
    """`seq` is one more than that of the message before."""

    type: Literal["changes"]
    seq: int
    entities: list[Entity]


class LiveTick(Wire):
    """The service lives, and it is `at`."""

    type: Literal["tick"]
    at: datetime


class LiveRefetch(Wire):
    """The page fell behind: it must connect again."""

    type: Literal["refetch"]


class LiveMessage(
    RootModel[Annotated[LiveSnapshot | LiveChanges | LiveTick | LiveRefetch, Field(discriminator="type")]]
):
    """One message of the live socket, from the service to the page. A page sends nothing."""
