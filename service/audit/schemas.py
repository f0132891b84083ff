"""The audit trail on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from service.audit.model import Action
from service.http.fields import Count, Word
from service.http.routing import Wire


class AuditQuery(Wire):
    """Which entries: after a number, of one subject."""

    after: Count = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    subject: Annotated[Word, Field(max_length=16)] | None = None
    subject_id: Annotated[Word, Field(max_length=64)] | None = None


class AuditEntryOut(Wire):
    """One act: who, what, on which; never content."""

    seq: int
    at: datetime
    account_id: int | None
    action: Action
    subject: str
    subject_id: str


class AuditOut(Wire):
    """A page of the trail."""

    entries: list[AuditEntryOut]


class ChainOut(Wire):
    """Whether the trail is whole. `broken_at`: number of the first entry that is not as it was written.

    `purged`: entries up to this number are past their time and gone. `anchored`: up to where the anchors outside the
    database vouch. `missing_from`: first of the entries that an anchor knows and the database does not have so: its end
    was taken away, or an older copy was put in its place. `anchors_damaged`: the first line of the anchors' file that
    the service did not write; it is not held to the chain then. `not_proven`: what all this cannot show; anchors that
    are kept elsewhere are held to it by `ecoute audit verify --anchor`.
    """

    entries: int
    purged: int
    last: int
    broken_at: int | None
    anchored: int
    missing_from: int | None
    anchors_damaged: int | None
    not_proven: str
