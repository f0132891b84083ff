"""SQL of contacts and cases. Whoever asks for somebody gives the viewer: what they may not see is not found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.model import Account
from service.accounts.viewer import Viewer
from service.cases.model import (
    Case,
    CaseClosedTo,
    CaseName,
    CaseNameWord,
    CaseNumber,
    CaseStatus,
    Contact,
    ContactParticipant,
    ShieldedNumber,
    Whose,
)
from service.cases.visibility import case_visible, contact_visible, contact_writable, not_closed_to
from service.keys import Sealed
from service.store.sql import insert_once, run_many, table_of


class Seen(NamedTuple):
    """A contact with its case, and whether the viewer may write in it."""

    contact: Contact
    case: Case
    writable: bool


async def contact_for(session: AsyncSession, viewer: Viewer, contact_id: int, *, lock: bool = False) -> Seen | None:
    """The contact, if the viewer may see it. `lock`: until the transaction ends."""
    if lock:
        await lock_contacts(session, [contact_id])
    row = (await session.execute(_seen(viewer).where(Contact.id == contact_id))).first()
    return None if row is None else Seen(row[0], row[1], row[2])


async def contacts_of_case_for(session: AsyncSession, viewer: Viewer, case_id: int) -> list[Seen]:
    """The contacts of a case that the viewer may see, the first one first."""
    rows = await session.execute(_seen(viewer).where(Contact.case_id == case_id).order_by(Contact.started_at))
    return [Seen(row[0], row[1], row[2]) for row in rows]


async def contact_of_call_for(session: AsyncSession, viewer: Viewer, call_id: str) -> Seen | None:
    """The contact of a call, if the viewer may see it."""
    row = (await session.execute(_seen(viewer).where(Contact.call_id == call_id))).first()
    return None if row is None else Seen(row[0], row[1], row[2])


def _seen(viewer: Viewer) -> Select[Contact, Case, bool]:
    return (
        select(Contact, Case, contact_writable(viewer))
        .join(Case, Case.id == Contact.case_id)
        .where(contact_visible(viewer))
        .execution_options(populate_existing=True)
    )


async def case_for(session: AsyncSession, viewer: Viewer, case_id: int) -> Case | None:
    """The case, if the viewer may know of it."""
    return await session.scalar(select(Case).where(Case.id == case_id, case_visible(viewer)))


async def lock_contacts(session: AsyncSession, contact_ids: Sequence[int]) -> None:
    """Always before cases, always in order: so that two who work on the same never wait for each other."""
    await session.execute(select(Contact.id).where(Contact.id.in_(contact_ids)).order_by(Contact.id).with_for_update())


async def lock_cases(session: AsyncSession, case_ids: Sequence[int]) -> dict[int, Case]:
    """The cases as they are now, locked until the transaction ends."""
    rows = await session.scalars(
        select(Case)
        .where(Case.id.in_(case_ids))
        .order_by(Case.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {case.id: case for case in rows}


async def contacts_of_calls(session: AsyncSession, pbx: str, call_ids: Collection[str]) -> dict[str, Contact]:
    """The contacts of these calls, for the service itself; by call id."""
    rows = await session.scalars(select(Contact).where(Contact.pbx == pbx, Contact.call_id.in_(call_ids)))
    return {contact.call_id: contact for contact in rows}


async def contact_ids_of_case(session: AsyncSession, case_id: int) -> Sequence[int]:
    """All of them, for the service itself."""
    return (await session.scalars(select(Contact.id).where(Contact.case_id == case_id).order_by(Contact.id))).all()


async def listener_names(session: AsyncSession, contact_ids: Sequence[int]) -> dict[int, str]:
    """Contact id → name of the listener who answered it last."""
    rows = await session.execute(
        select(ContactParticipant.contact_id, Account.display_name)
        .join(Account, Account.id == ContactParticipant.account_id)
        .where(ContactParticipant.contact_id.in_(contact_ids))
        .order_by(ContactParticipant.joined_at)
    )
    return {row.contact_id: row.display_name for row in rows}


async def contact_with_case(session: AsyncSession, contact_id: int) -> tuple[Contact, Case] | None:
    """For the service itself (the live feed)."""
    row = (
        await session.execute(
            select(Contact, Case).join(Case, Case.id == Contact.case_id).where(Contact.id == contact_id)
        )
    ).first()
    return None if row is None else (row[0], row[1])


async def current_contact_of(
    session: AsyncSession, account_id: int, *, joined_after: datetime | None = None
) -> int | None:
    """The contact that a listener is in (talking, or still writing); none. `joined_after`: they left those before."""
    statement = (
        select(ContactParticipant.contact_id)
        .where(ContactParticipant.account_id == account_id, ContactParticipant.released_at.is_(None))
        .order_by(ContactParticipant.joined_at.desc())
        .limit(1)
    )
    if joined_after is not None:
        statement = statement.where(ContactParticipant.joined_at > joined_after)
    return await session.scalar(statement)


async def contacts_in_hand(session: AsyncSession, number_index: str) -> Sequence[int]:
    """The contacts from this number in which somebody is: talking, or still writing."""
    statement = (
        select(Contact.id)
        .join(ContactParticipant, ContactParticipant.contact_id == Contact.id)
        .where(Contact.number_index == number_index, ContactParticipant.released_at.is_(None))
        .distinct()
    )
    return (await session.scalars(statement)).all()


# --- names, and cases looked for ------------------------------------------------------------------------------------


async def names_of_case(session: AsyncSession, case_id: int) -> dict[Whose, CaseName]:
    """The sealed names of a case."""
    rows = await session.scalars(select(CaseName).where(CaseName.case_id == case_id))
    return {row.whose: row for row in rows}


async def put_name(session: AsyncSession, case_id: int, whose: Whose, sealed: Sealed, words: Iterable[str]) -> None:
    """A name, sealed, with the keyed hashes of its words; instead of the one that was there."""
    await forget_name(session, case_id, whose)
    session.add(CaseName(case_id=case_id, whose=whose, sealed=sealed))
    session.add_all(CaseNameWord(case_id=case_id, whose=whose, word_index=word) for word in sorted(words))
    await session.flush()


async def forget_name(session: AsyncSession, case_id: int, whose: Whose | None = None) -> None:
    """A name is gone, with its words; all names of the case, where none is given."""
    for model in (CaseNameWord, CaseName):
        statement = delete(model).where(model.case_id == case_id)
        await session.execute(statement if whose is None else statement.where(model.whose == whose))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What cases are looked for by; None: by anything. `words`: keyed hashes, all of them of one name."""

    reference: str | None = None
    department: str | None = None
    status: CaseStatus | None = None
    opened_from: datetime | None = None
    opened_before: datetime | None = None
    words: frozenset[str] = frozenset()


def search(viewer: Viewer, wanted: Wanted, limit: int) -> Select[Case]:
    """Cases that fit and that the viewer may know of, the latest first."""
    found = select(Case).where(case_visible(viewer)).order_by(Case.opened_at.desc(), Case.id.desc()).limit(limit)
    if wanted.words:
        named = (
            select(CaseNameWord.case_id)
            .where(CaseNameWord.word_index.in_(sorted(wanted.words)))
            .group_by(CaseNameWord.case_id, CaseNameWord.whose)
            .having(func.count() == len(wanted.words))
        )
        found = found.where(Case.id.in_(named))
    for column, value in (
        (Case.reference, wanted.reference),
        (Case.department, wanted.department),
        (Case.status, wanted.status),
    ):
        if value is not None:
            found = found.where(column == value)
    if wanted.opened_from is not None:
        found = found.where(Case.opened_at >= wanted.opened_from)
    if wanted.opened_before is not None:
        found = found.where(Case.opened_at < wanted.opened_before)
    return found


# --- participants -----------------------------------------------------------------------------------------------------


class Joined(NamedTuple):
    """A listener answered the call of a contact."""

    contact_id: int
    account_id: int
    at: datetime


async def last_answers(session: AsyncSession, account_ids: Collection[int]) -> dict[int, datetime]:
    """When each of these listeners answered a call the last time."""
    rows = await session.execute(
        select(ContactParticipant.account_id, func.max(ContactParticipant.joined_at))
        .where(ContactParticipant.account_id.in_(account_ids))
        .group_by(ContactParticipant.account_id)
    )
    return {row[0]: row[1] for row in rows}


async def join(session: AsyncSession, joined: Sequence[Joined], latest: Mapping[int, datetime]) -> None:
    """Note answers, each listener's in the order in which they were given; each ends their earlier contacts.

    `latest`: when a listener answered last, of what was known before; an answer before it is in contact no more. The
    same listener may come back to the same call; an answer that is known already changes nothing.
    """
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    values: list[dict[str, Any]] = []
    for contact, account, at in joined:
        gone_at = at if account in latest and latest[account] > at else None
        row = {"contact_id": contact, "account_id": account, "joined_at": at, "released_at": gone_at}
        rows[contact, account] = row
        values.append({"contact": contact, "account": account, "at": at, "gone_at": gone_at})
    await insert_once(session, ContactParticipant, list(rows.values()), keys=["contact_id", "account_id"])
    await run_many(session, _JOIN_AGAIN, values)
    await run_many(session, _RELEASE_EARLIER, values)


_PARTICIPANTS: Final = table_of(ContactParticipant)
_JOIN_AGAIN: Final = (
    update(_PARTICIPANTS)
    .where(
        _PARTICIPANTS.c.contact_id == bindparam("contact"),
        _PARTICIPANTS.c.account_id == bindparam("account"),
        _PARTICIPANTS.c.joined_at < bindparam("at"),
    )
    .values(joined_at=bindparam("at"), released_at=bindparam("gone_at"))
)
_RELEASE_EARLIER: Final = (
    update(_PARTICIPANTS)
    .where(
        _PARTICIPANTS.c.account_id == bindparam("account"),
        _PARTICIPANTS.c.released_at.is_(None),
        or_(
            _PARTICIPANTS.c.joined_at < bindparam("at"),
            and_(_PARTICIPANTS.c.joined_at == bindparam("at"), _PARTICIPANTS.c.contact_id < bindparam("contact")),
        ),
        _PARTICIPANTS.c.contact_id != bindparam("contact"),
    )
    .values(released_at=bindparam("at"))
)


async def release(session: AsyncSession, account_id: int, at: datetime) -> Sequence[int]:
    """The listener is no longer in contact; ids of the contacts they left."""
    statement = (
        update(ContactParticipant)
        .where(
            ContactParticipant.account_id == account_id,
            ContactParticipant.released_at.is_(None),
            ContactParticipant.joined_at <= at,
        )
        .values(released_at=at)
        .returning(ContactParticipant.contact_id)
    )
    return (await session.scalars(statement)).all()


# --- numbers ----------------------------------------------------------------------------------------------------------


async def is_shielded(session: AsyncSession, number_index: str) -> bool:
    """The accused may use this number too."""
    return await session.scalar(_SHIELD, {"number": number_index}) is not None


async def cases_of_number(
    session: AsyncSession, number_index: str, account_id: int | None, *, except_draft_of: str
) -> Sequence[Case]:
    """Cases in which the number was used, the latest contact first; none that is closed to the account.

    Nor the draft that this call itself (`except_draft_of`, its id) made.
    """
    asked = {"number": number_index, "call": except_draft_of, "account": account_id}
    return (await session.scalars(_cases_of_number(account_id is not None), asked)).all()


async def contacts_of_number(
    session: AsyncSession, number_index: str, account_id: int | None, except_call: str
) -> tuple[int, datetime | None]:
    """How many contacts there were from the number, and when the last began."""
    asked = {"number": number_index, "call": except_call, "account": account_id}
    row = (await session.execute(_contacts_of_number(account_id is not None), asked)).one()
    return row[0], row[1]


async def closed_to_of_number(session: AsyncSession, number_index: str) -> set[int]:
    """Accounts to whom a case of this number is closed: `known` differs for them."""
    return set(await session.scalars(_CLOSED_TO, {"number": number_index}))


# Asked while a phone rings: SQLAlchemy takes longer to put such a statement together than SQLite to answer it.
_SHIELD: Final = select(ShieldedNumber.number_index).where(ShieldedNumber.number_index == bindparam("number"))
_CLOSED_TO: Final = (
    select(CaseClosedTo.account_id)
    .join(CaseNumber, CaseNumber.case_id == CaseClosedTo.case_id)
    .where(CaseNumber.number_index == bindparam("number"))
)


@cache
def _cases_of_number(for_somebody: bool) -> Select[Case]:
    own = select(Contact.id).where(Contact.call_id == bindparam("call"), Contact.case_id == Case.id)
    return (
        select(Case)
        .join(CaseNumber, CaseNumber.case_id == Case.id)
        .where(
            CaseNumber.number_index == bindparam("number"),
            Case.status != CaseStatus.DISCARDED,
            ~((Case.status == CaseStatus.DRAFT) & own.exists()),
            not_closed_to(bindparam("account") if for_somebody else None),
        )
        .order_by(Case.last_contact_at.desc(), Case.id.desc())
    )


@cache
def _contacts_of_number(for_somebody: bool) -> Select[int, datetime]:
    return (
        select(func.count(), func.max(Contact.started_at))
        .join(Case, Case.id == Contact.case_id)
        .where(
            Contact.number_index == bindparam("number"),
            Contact.call_id != bindparam("call"),
            not_closed_to(bindparam("account") if for_somebody else None),
        )
    )


async def forget_numbers(session: AsyncSession, case_id: int) -> None:
    """No number leads to this case any more; a shield that protects nothing else goes too."""
    lost = select(CaseNumber.number_index).where(CaseNumber.case_id == case_id)
    elsewhere = select(CaseNumber.number_index).where(CaseNumber.case_id != case_id)
    await session.execute(
        delete(ShieldedNumber).where(
            ShieldedNumber.number_index.in_(lost), ShieldedNumber.number_index.not_in(elsewhere)
        )
    )
    await session.execute(delete(CaseNumber).where(CaseNumber.case_id == case_id))


async def erase_contacts(session: AsyncSession, case_id: int) -> None:
    """What was written, and from where it was called, is gone; that there was a contact stays, for counting."""
    await session.execute(
        update(Contact)
        .where(Contact.case_id == case_id)
        .values(notes=None, notes_saved_at=None, notes_saved_by=None, number_index=None)
        .execution_options(synchronize_session="fetch")
    )


async def mark_ended(session: AsyncSession, pbx: str, ends: Mapping[str, datetime]) -> None:
    """The calls of these contacts are over: call id → when. Calls without a contact are passed over."""
    await run_many(session, _MARK_ENDED, [{"of_pbx": pbx, "call": call, "at": at} for call, at in ends.items()])


_CONTACTS: Final = table_of(Contact)
_MARK_ENDED: Final = (
    update(_CONTACTS)
    .where(
        _CONTACTS.c.pbx == bindparam("of_pbx"),
        _CONTACTS.c.call_id == bindparam("call"),
        or_(_CONTACTS.c.ended_at.is_(None), _CONTACTS.c.ended_at != bindparam("at")),
    )
    .values(ended_at=bindparam("at"))
)
