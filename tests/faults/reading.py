"""The books of a line, read when it is all over; and the search for personal data in every file that it left."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from service.calls.model import Call
from service.cases.model import Case, Contact
from service.keys import Keyring
from tests.faults.books import Announcement, Books, ContactRow, Notes, Record
from tests.faults.callers import HABITS, NAME_MARK, numbers_of
from tests.faults.conversation import NUMBER
from tests.faults.people import NOTE_MARK
from tests.support.marks import leaks
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.faults.line import FaultLine

#: any of the callers' numbers, written with or without its prefix, not inside a longer word
_NUMBERS: Final = re.compile(rb"(?<![0-9A-Za-z])(?:\+33|0033|33|0)?63998[0-9]{4}(?![0-9A-Za-z])")

#: at files that may vanish while they are looked for
_LOOKS: Final = 10
#: seconds between two prompts of one announcement
_ONE_AFTER_THE_OTHER: Final = 0.5


def read_books(line: FaultLine, calls: int, seconds: float) -> Books:
    """Once every call that was made has an ended record, or when they had `seconds` for it."""

    def complete() -> bool:
        ended = line.query(lambda session: _all(session, select(Call.call_id).where(Call.ended_at.is_not(None))))
        return len(ended) >= calls

    try:
        until(complete, "every call has an ended record", seconds, every=1.0)
    except AssertionError as error:
        line.say(str(error))
    keyring = line.keyring()
    journal = [json.loads(text) for text in line.pbx.layout.journal.read_text(errors="replace").splitlines()]
    records: list[Call] = line.query(lambda session: _all(session, select(Call)))
    contacts: list[Contact] = line.query(lambda session: _all(session, select(Contact)))
    cases: set[int] = set(line.query(lambda session: _all(session, select(Case.id))))
    return Books(
        records=[_record(record, numbers) for numbers in [_by_index(keyring)] for record in records],
        contacts=[ContactRow(row.id, row.call_id, row.case_id if row.case_id in cases else 0) for row in contacts],
        steps=list(line.telling.steps),
        call_ids={number: frozenset(ids) for number, ids in line.telling.call_ids.items()},
        announcements=list(announcements_of(journal)),
        connects=_connects(line, journal),
        notes=dict(_notes(line)),
    )


async def _all(session: Any, statement: Any) -> list[Any]:
    return list((await session.scalars(statement)).all())


def _by_index(keyring: Keyring) -> dict[str, str]:
    everybody = (number for habit in range(len(HABITS)) for number in numbers_of(habit))
    return {keyring.blind_index(number): number for number in (NUMBER, *everybody)}


def _record(call: Call, numbers: dict[str, str]) -> Record:
    return Record(
        call_id=call.call_id,
        number=numbers.get(call.number_index, "") if call.number_index is not None else "",
        ended_at=call.ended_at.timestamp() if call.ended_at else None,
        result=call.result.value if call.result else "",
        ended_by=call.ended_by.value if call.ended_by else "",
        listener=f"l{call.listener_id}" if call.listener_id else "",
    )


def announcements_of(journal: Sequence[dict[str, Any]]) -> Iterator[Announcement]:
    """Of the place in the queue: prompts and digits, one after the other, are one."""
    open_: dict[str, Announcement] = {}
    playing: set[str] = set()
    for entry in journal:
        channel, at = entry["channame"], float(entry["eventtime"])
        if entry["userdeftype"] == "FILE_STREAM_BEGIN":
            if json.loads(entry["eventextra"])["sound"].startswith(("queue-", "digits/")):
                playing.add(channel)
                before = open_.get(channel)
                if before is not None and at - before.ended > _ONE_AFTER_THE_OTHER:
                    yield before
                    before = None
                open_[channel] = before or Announcement(entry["accountcode"], at, at)
        elif entry["userdeftype"] == "FILE_STREAM_END" and channel in playing:
            playing.discard(channel)
            open_[channel] = replace(open_[channel], ended=at)
    yield from open_.values()


def _connects(line: FaultLine, journal: Sequence[dict[str, Any]]) -> Counter[str]:
    """queue_log's own connections by call; the journal tells which channel was which call."""
    call_of = {entry["uniqueid"]: entry["accountcode"] for entry in journal if entry["accountcode"]}
    found: Counter[str] = Counter()
    for row in line.pbx.layout.queue_log.read_text(errors="replace").splitlines():
        fields = row.split("|")
        if len(fields) > 4 and fields[4] == "CONNECT" and fields[1] in call_of:
            found[call_of[fields[1]]] += 1
    return found


def _notes(line: FaultLine) -> Iterator[tuple[int, Notes]]:
    """As the listener who wrote them reads them again through the API."""
    for contact_id, written in line.people.ledger.contacts.items():
        status, answer = line.people.read(written.by, f"/contacts/{contact_id}")
        if status == 200:
            yield contact_id, Notes(answer["notes_version"], answer["notes"])


def leaks_of(line: FaultLine) -> list[str]:
    """I6. Marks of a few kinds, in every disguise; any caller's number, as it stands."""
    marks = {
        "name from the carrier": NAME_MARK,
        "notes": NOTE_MARK,
        "a number in disguise": numbers_of(2)[0],
        "another": NUMBER,
    }
    marks |= {f"cookie {n}": cookie for n, cookie in enumerate(line.people.cookies()[:2])}
    line.pbx.console("database show")  # whatever AstDB holds is on the disk
    found = leaks_in([line.folder / "var", line.store_file.parent, line.folder / "service.log"], marks)
    return [text.replace(f"{line.folder}/", "") for text in found]


def leaks_in(places: Sequence[Path], marks: Mapping[str, str]) -> list[str]:
    """What lies in clear in these files and folders, never what it is."""
    found = _leaks_while_files_come_and_go(marks, places)
    files = (file for place in places for file in sorted(place.rglob("*") if place.is_dir() else [place]))
    for file in files:
        with suppress(FileNotFoundError):
            if file.is_file() and not file.is_symlink() and _NUMBERS.search(file.read_bytes()):
                found.append(f"a caller's number in {file}")
    return found


def _leaks_while_files_come_and_go(marks: Mapping[str, str], places: Sequence[Path]) -> list[str]:
    """A journal of SQLite's is there for a moment."""
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):
            return leaks(marks, places)
    return leaks(marks, places)
