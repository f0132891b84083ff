"""Names in a case: written, read with the case, found by any of their words; and cases looked for.

A name is sealed with the case's key; its words are findable through keyed hashes (`names.py` makes the words), which go
with it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.cases import queries
from service.cases.model import Case, Whose
from service.cases.names import words_of
from service.cases.queries import Wanted
from service.cases.schemas import NAMES_LENGTH, CaseFound, CaseNames, CasesFound, SearchIn
from service.errors import Conflict, Unfit
from service.keys import DataKey, Keyring

_REFERENCE: Final = re.compile(r"(\d{4})[-/ ](\d{2,3}|2[AB])[-/ ](\d{1,5})", re.IGNORECASE)
#: between two names, where a contact with one joins a case with another
_BETWEEN: Final = " ; "


def _context(case_id: int, whose: Whose) -> str:
    return f"case:{case_id}:name:{whose}"


async def names_of(session: AsyncSession, key: DataKey | None, case_id: int) -> CaseNames:
    """The names of a case, opened; none of an erased one."""
    sealed = await queries.names_of_case(session, case_id) if key is not None else {}
    opened = {whose: key.open(row.sealed, _context(case_id, whose)) for whose, row in sealed.items() if key is not None}
    return CaseNames(caller=opened.get(Whose.CALLER), person_concerned=opened.get(Whose.PERSON_CONCERNED))


async def put_names(session: AsyncSession, keyring: Keyring, key: DataKey, case_id: int, names: CaseNames) -> None:
    """The case has these names, and no others."""
    for whose, name in _each(names):
        if name is None:
            await queries.forget_name(session, case_id, whose)
        else:
            words = {keyring.name_index(word) for word in _words_of_all(name)}
            await queries.put_name(session, case_id, whose, key.seal(name, _context(case_id, whose)), words)


async def take_names_along(
    session: AsyncSession, keyring: Keyring, old: tuple[int, DataKey], target: tuple[int, DataKey]
) -> bool:
    """A draft's names join those of the case that it turned out to be, but for one whose words a name there has.

    Whether there was one to join. Conflict if there is something to join, and both are longer than what can be saved.
    """
    taken, there = await names_of(session, old[1], old[0]), await names_of(session, target[1], target[0])
    joined = CaseNames(
        caller=_joined(there.caller, taken.caller),
        person_concerned=_joined(there.person_concerned, taken.person_concerned),
    )
    if joined == there:
        return False
    await put_names(session, keyring, target[1], target[0], joined)
    return True


def _joined(there: str | None, taken: str | None) -> str | None:
    if there is None or taken is None:
        return there or taken
    known = there.split(_BETWEEN)
    new = [name for name in taken.split(_BETWEEN) if not any(_says(other, name) for other in known)]
    if not new:
        return there
    joined = _BETWEEN.join([there, *new])
    if len(joined) > NAMES_LENGTH:
        raise Conflict(
            "names-too-long", "The names of both cases are too long together: shorten them, then link again."
        )
    return joined


def _says(known: str, name: str) -> bool:
    """A name that is known has all the words of this one; of one without letter or digit: is the same."""
    words = words_of(name)
    return words <= words_of(known) if words else name == known


def _words_of_all(names: str) -> set[str]:
    """Each of the names that were joined has its words."""
    return {word for name in names.split(_BETWEEN) for word in words_of(name)}


def _each(names: CaseNames) -> tuple[tuple[Whose, str | None], ...]:
    return (Whose.CALLER, names.caller), (Whose.PERSON_CONCERNED, names.person_concerned)


async def search(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, asked: SearchIn, *, at: datetime, timezone: ZoneInfo
) -> CasesFound:
    """Cases that fit and that the viewer may know of. On the audit trail: that they looked, and each that was shown."""
    wanted = _wanted(keyring, asked, timezone)
    rows = (await session.scalars(queries.search(viewer, wanted, asked.limit + 1))).all()
    shown = rows[: asked.limit]
    acts = [Act(action=Action.CASE_SEARCHED, subject="account", subject_id=viewer.account_id)]
    acts += [Act(action=Action.CASE_SHOWN, subject="case", subject_id=case.id) for case in shown]
    await append(session, keyring, acts, account_id=viewer.account_id, at=at)
    return CasesFound(cases=[_found(case) for case in shown], more=len(rows) > len(shown))


def _wanted(keyring: Keyring, asked: SearchIn, timezone: ZoneInfo) -> Wanted:
    words: frozenset[str] = frozenset()
    if asked.name is not None:
        words = frozenset(keyring.name_index(word) for word in words_of(asked.name))
        if not words:
            raise Unfit("name-without-words", "Write at least one word of the name.", field="name")

    def midnight(days: int, which: str) -> datetime | None:
        day = getattr(asked, which)
        return None if day is None else datetime.combine(day + timedelta(days), time(), timezone).astimezone(UTC)

    return Wanted(
        reference=None if asked.reference is None else _reference(asked.reference),
        department=asked.department,
        status=asked.status,
        opened_from=midnight(0, "opened_from"),
        opened_before=midnight(1, "opened_to"),
        words=words,
    )


def _reference(typed: str) -> str:
    """`2026-38-123` and `2026/38/00123` are 2026-38-00123."""
    found = _REFERENCE.fullmatch(typed.strip())
    if found is None:
        raise Unfit("reference-unfit", "Write the reference as 2026-38-00123.", field="reference")
    year, department, number = found.groups()
    return f"{year}-{department.upper()}-{int(number):05}"


def _found(case: Case) -> CaseFound:
    return CaseFound(
        case_id=case.id,
        reference=case.reference,
        status=case.status,
        department=case.department,
        centre=case.centre,
        opened_at=case.opened_at,
        last_contact_at=case.last_contact_at,
    )
