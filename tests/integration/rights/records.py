"""Cases and contacts of two centres and the national team, each marked, so that whatever leaks can be seen and named.

A mark is in everything that tells of a case: its text, its names, its reference, its number, and its own ids, which
come from a range of its team's. So even a bare id of a foreign case in an answer is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.model import Call, NumberKind
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
from service.cases.names import words_of
from service.cases.use_cases import number_context
from service.keys import DataKey, Keyring

#: team → the two digits with which its ids begin
TEAMS: Final[dict[str | None, str]] = {None: "99", "centre-38": "38", "centre-69": "69"}
OF_DIGITS: Final = {digits: team for team, digits in TEAMS.items()}
_IDS: Final = re.compile(r"(?<![0-9])(38|69|99)0[0-9]{6}(?![0-9])")
#: in what was written and in names; or a reference, whose year is the team's
_CONTENT: Final = re.compile(r"Z(38|69|99)Z|(?<![0-9])20(38|69|99)-[0-9AB]{2,3}-[0-9]{5}(?![0-9])")
_CALLS: Final = re.compile(r"ca11(38|69|99)-")
NOW: Final = datetime(2026, 9, 14, 10, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Marks:
    """Teams whose records show in a text: in what was said or written, by ids, by ids of calls."""

    content: frozenset[str | None]
    ids: frozenset[str | None]
    calls: frozenset[str | None]


def marks_in(text: str) -> Marks:
    """What the text tells of."""

    def teams(pattern: re.Pattern[str]) -> frozenset[str | None]:
        found = pattern.finditer(text)
        return frozenset(OF_DIGITS[next(filter(None, one.groups()))] for one in found)

    return Marks(teams(_CONTENT), teams(_IDS), teams(_CALLS))


@dataclass(frozen=True, slots=True)
class Record:
    """A case with one contact, of a team."""

    team: str | None
    case_id: int
    contact_id: int
    call_id: str
    number: str
    number_index: str
    reference: str | None
    word: str  #: of the caller's name: this case's alone, and its twin's


class Registry:
    """Makes records; all that were made are stored together."""

    def __init__(self, keyring: Keyring, author: dict[str | None, int]) -> None:
        self._keyring = keyring
        self._author = author
        self._count = 0

    def make(
        self,
        session: AsyncSession,
        team: str | None,
        *,
        draft: bool = False,
        in_contact: int | None = None,
        like: Record | None = None,
    ) -> Record:
        """`in_contact`: the account that talks with this caller; else a colleague of the team did, some time ago.

        `like`: from the same number as that one, and with the same name.
        """
        self._count += 1
        digits, number = TEAMS[team], f"+3363998{self._count:04}" if like is None else like.number
        reference = None if draft else f"20{digits}-38-{self._count:05}"
        word = f"nom{self._count:06}" if like is None else like.word
        case_id, contact_id = int(f"{digits}0{self._count:06}"), int(f"{digits}0{500_000 + self._count:06}")
        call_id = f"ca11{digits}-0000-4000-8000-{self._count:012}"
        key, wrapped = self._keyring.new_data_key()
        index = self._keyring.blind_index(number)
        case = Case(
            id=case_id,
            status=CaseStatus.DRAFT if draft else CaseStatus.OPEN,
            reference=reference,
            department=None if draft else "38",
            centre=team,
            opened_at=NOW,
            last_contact_at=NOW,
            wrapped_key=wrapped,
        )
        contact = Contact(
            id=contact_id,
            pbx="pbx1",
            call_id=call_id,
            case_id=case_id,
            line="+33199003133",
            number_index=index,
            started_at=NOW,
            notes=key.seal(f"Z{digits}Z a dit : {number}", f"contact:{contact_id}:notes"),
            notes_version=1,
            notes_saved_at=NOW,
        )
        account_id = self._author[team] if in_contact is None else in_contact
        part = ContactParticipant(
            contact_id=contact_id,
            account_id=account_id,
            joined_at=NOW,
            released_at=NOW if in_contact is None else None,
        )
        sealed = key.seal(number, number_context(case_id))
        known = CaseNumber(case_id=case_id, number_index=index, sealed=sealed, first_at=NOW)
        made = Record(team, case_id, contact_id, call_id, number, index, reference, word)
        session.add_all([case, contact, known, part, *self._named(key, case_id, f"Z{digits}Z {word}")])
        self.ring_again(session, made, call_id, account_id)
        return made

    def _named(self, key: DataKey, case_id: int, name: str) -> list[CaseName | CaseNameWord]:
        """The caller's name, and its words to find it by."""
        sealed = key.seal(name, f"case:{case_id}:name:{Whose.CALLER}")
        indexes = [self._keyring.name_index(word) for word in words_of(name)]
        return [
            CaseName(case_id=case_id, whose=Whose.CALLER, sealed=sealed),
            *(CaseNameWord(case_id=case_id, whose=Whose.CALLER, word_index=index) for index in indexes),
        ]

    def shield(self, session: AsyncSession, record: Record) -> None:
        """The accused may use the record's number too."""
        session.add(ShieldedNumber(number_index=record.number_index, shielded_at=NOW))

    def close(self, session: AsyncSession, record: Record, account_id: int) -> None:
        """They know somebody in it."""
        session.add(CaseClosedTo(case_id=record.case_id, account_id=account_id))

    def took_part(self, session: AsyncSession, record: Record, account_id: int) -> None:
        """They talked with its caller too, some time ago."""
        session.add(
            ContactParticipant(contact_id=record.contact_id, account_id=account_id, joined_at=NOW, released_at=NOW)
        )

    def ring_again(self, session: AsyncSession, record: Record, call_id: str, listener: int | None = None) -> None:
        """A call from the record's number."""
        session.add(
            Call(
                pbx="pbx1",
                call_id=call_id,
                line="+33199003133",
                arrived_at=NOW,
                listener_id=listener,
                centre=record.team,
                number_kind=NumberKind.GIVEN,
                number_index=record.number_index,
                number=self._keyring.seal(record.number, f"call:{call_id}:number"),
            )
        )


def foreign_to(team: str | None) -> Iterable[str | None]:
    """The other teams."""
    return [other for other in TEAMS if other != team]
