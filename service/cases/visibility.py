"""Who may see which case: the rule of the line, as one SQL condition. Every query asks it.

A case belongs to the national team until handed off, then to its centre; people of another centre do not see that it
exists. A listener sees the cases of the callers they are in contact with and of their own team. A case can be closed to
a named volunteer. A discarded one is seen by nobody.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BindParameter, ColumnElement, and_, exists, false, or_, select, true

from service.accounts.rights import Right, Role
from service.accounts.sessions import KEPT_AFTER_CALL
from service.accounts.viewer import Viewer
from service.cases.model import (
    Case,
    CaseClosedTo,
    CaseNumber,
    CaseStatus,
    Contact,
    ContactParticipant,
    ShieldedNumber,
)


def not_closed_to(account_id: int | BindParameter[int] | None) -> ColumnElement[bool]:
    """The case is not closed to this volunteer (none: nobody in particular)."""
    if account_id is None:
        return true()
    return ~(exists().where(CaseClosedTo.case_id == Case.id, CaseClosedTo.account_id == account_id).correlate(Case))


def case_visible(viewer: Viewer) -> ColumnElement[bool]:
    """The viewer may know of this `Case`."""
    if not viewer.may(Right.READ_CASES):
        return false()
    reasons = [_of_team(viewer)]
    if Role.LISTENER in viewer.roles:
        reasons.append(_in_contact(viewer))
    return and_(Case.status != CaseStatus.DISCARDED, not_closed_to(viewer.account_id), or_(*reasons))


def contact_visible(viewer: Viewer) -> ColumnElement[bool]:
    """The viewer may read this `Contact`, whose `Case` is in the query: in it now, by its draft, or by its case."""
    if viewer.confined:
        return _held(viewer)
    return or_(takes_part(viewer), _wrote_draft(viewer), case_visible(viewer))


def contact_writable(viewer: Viewer) -> ColumnElement[bool]:
    """The viewer may write in this `Contact` and decide on its case: who took part, and the team's coordinator."""
    if viewer.confined:
        return _held(viewer)
    if not viewer.may(Right.WRITE_CASES):
        return false()
    allowed = [takes_part(viewer), _wrote_draft(viewer), and_(_took_part(viewer), case_visible(viewer))]
    if Role.COORDINATOR in viewer.roles:
        allowed.append(and_(_of_team(viewer), case_visible(viewer)))
    return or_(*allowed)


def _held(viewer: Viewer) -> ColumnElement[bool]:
    """Without the rights of their roles: the one contact that they are in, and hold."""
    return false() if viewer.contact is None else and_(Contact.id == viewer.contact, takes_part(viewer))


def takes_part(viewer: Viewer) -> ColumnElement[bool]:
    """The viewer is in this `Contact` now: talking, or still writing."""
    return (
        exists()
        .where(
            ContactParticipant.contact_id == Contact.id,
            ContactParticipant.account_id == viewer.account_id,
            ContactParticipant.released_at.is_(None),
        )
        .correlate(Contact)
    )


def _took_part(viewer: Viewer) -> ColumnElement[bool]:
    """The viewer talked in this `Contact`, if only once."""
    return (
        exists()
        .where(ContactParticipant.contact_id == Contact.id, ContactParticipant.account_id == viewer.account_id)
        .correlate(Contact)
    )


def _wrote_draft(viewer: Viewer) -> ColumnElement[bool]:
    """Took part, and it is still a draft: their last words are taken, whichever team the draft is of."""
    if not viewer.may(Right.WRITE_CASES):
        return false()
    return and_(_took_part(viewer), Case.status == CaseStatus.DRAFT, not_closed_to(viewer.account_id))


def _of_team(viewer: Viewer) -> ColumnElement[bool]:
    return Case.centre.is_(None) if viewer.centre is None else Case.centre == viewer.centre


def _in_contact(viewer: Viewer) -> ColumnElement[bool]:
    """In contact with its caller: on the case itself, or from a number used in it (not while that is shielded).

    What the number opens closes some hours after the call: a writing-up that nobody ends is no right for good.
    """
    now = Contact.__table__.alias("contact_now")
    lately = or_(now.c.ended_at.is_(None), now.c.ended_at > datetime.now(UTC) - KEPT_AFTER_CALL)
    numbers = select(CaseNumber.number_index).where(CaseNumber.case_id == Case.id).correlate(Case)
    shielded = exists().where(ShieldedNumber.number_index == now.c.number_index).correlate(now)
    return (
        exists()
        .where(
            ContactParticipant.account_id == viewer.account_id,
            ContactParticipant.released_at.is_(None),
            ContactParticipant.contact_id == now.c.id,
            or_(
                now.c.case_id == Case.id,
                and_(now.c.number_index.in_(numbers), lately, or_(now.c.speaker_confirmed_at.is_not(None), ~shielded)),
            ),
        )
        .correlate(Case)
    )
