"""Storing what happened: facts, the record folded from them, contact and draft case of an answered call.

All of a batch is one transaction, so that under `kill -9` at any instant a fact is stored with all that follows from
it, or not at all; and everything in it may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from pbx.facts import PRESUMED, CallEnded, CallEntered, CallFact, EndedBy
from pbx.journal import Position
from service.calls import queries
from service.calls.fold import fold, stage_of, told
from service.calls.model import Call, NumberKind
from service.calls.numbers import CallerNumbers
from service.calls.told import Told
from service.calls.visits import BY_CENTRE
from service.cases import queries as case_queries
from service.cases import use_cases as cases
from service.cases.model import CaseNumber
from service.cases.use_cases import Answer
from service.keys import Keyring, Sealed
from service.listeners.model import account_of
from service.store.sql import insert_once


@dataclass(frozen=True, slots=True)
class Archive:
    """What storing needs beside the session."""

    pbx: str
    keyring: Keyring
    numbers: CallerNumbers


@dataclass(slots=True)
class Recorded:
    """What a batch changed. `contacts`: (account, contact) newly answered; `open`: id → arrival, of touched calls."""

    contacts: list[tuple[int, int]] = field(default_factory=list)
    open: dict[str, datetime] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)


#: a call's row, and those of its facts that were not stored yet
Touched = tuple[Call, Sequence[Told]]


async def record(
    session: AsyncSession, archive: Archive, facts: Sequence[CallFact], position: Position | None = None
) -> Recorded:
    """Store facts and what follows from them. `position`: the journal's, safe once this is committed."""
    recorded = Recorded()
    by_call: dict[str, list[CallFact]] = {}
    for fact in facts:
        by_call.setdefault(fact.call_id, []).append(fact)
    if by_call:
        await queries.lock_contacts(session, archive.pbx, by_call)
        known = await queries.facts_of(session, archive.pbx, by_call)
        rows = await queries.calls_by_id(session, archive.pbx, by_call)
        fresh = {call_id: _fresh(known[call_id], news) for call_id, news in by_call.items()}
        new_rows = [(call_id, fact) for call_id, facts_ in fresh.items() for fact in facts_]
        if new_rows:
            await queries.store_facts(session, archive.pbx, new_rows)
        touched: list[Touched] = []
        for call_id, news in by_call.items():
            outcome = fold([*known[call_id], *fresh[call_id]])
            row = rows.get(call_id)
            if fresh[call_id] or row is None:
                row = queries.put_record(session, archive.pbx, call_id, row, outcome)
            _note_number(archive, row, news)
            touched.append((row, fresh[call_id]))
            if outcome.ended_at is None:
                recorded.open[call_id] = outcome.arrived_at
            else:
                recorded.ended.add(call_id)
        told_late = [row for row, _ in touched if row.number is not None and _has_answer(known[row.call_id])]
        await _give_numbers(session, archive, told_late)
        recorded.contacts = await _contacts(session, archive, touched)
    if position is not None:
        await queries.put_journal_position(session, archive.pbx, position, datetime.now(UTC))
    return recorded


def _fresh(known: Sequence[Told], news: Sequence[CallFact]) -> list[Told]:
    """The facts that are not stored yet, each once."""
    seen = {fact.key for fact in known}
    fresh: list[Told] = []
    for fact in map(told, news):
        if fact.key not in seen:
            seen.add(fact.key)
            fresh.append(fact)
    return fresh


def _note_number(archive: Archive, row: Call, news: Sequence[CallFact]) -> None:
    """The caller's number leaves the PBX's encryption and enters ours, here.

    A number that was given and is gone belongs to a case or was erased with it: the journal must not bring it back.
    """
    for fact in news:
        if isinstance(fact, CallEntered) and row.number is None and row.number_kind is not NumberKind.GIVEN:
            opened = archive.numbers.open(fact.caller_token)
            row.number_kind = opened.kind
            if opened.number is not None:
                row.number_index = archive.keyring.blind_index(opened.number)
                row.number = archive.keyring.seal(opened.number, number_context(row.call_id))


def number_context(call_id: str) -> str:
    """What a call's sealed number is bound to."""
    return f"call:{call_id}:number"


def _has_answer(facts: Sequence[Told]) -> bool:
    return any(fact.what == "answered" for fact in facts)


async def _give_numbers(session: AsyncSession, archive: Archive, rows: Sequence[Call]) -> None:
    """Who calls was told after the answer was stored: the contact gets the number now, as it would have then.

    It goes to the case in which the contact is by now. Of a draft that was discarded meanwhile no number is kept.
    """
    if not rows:
        return
    with session.no_autoflush:  # contacts and cases are locked before calls, as by whoever discards a draft
        contacts = await queries.lock_contacts(session, archive.pbx, [row.call_id for row in rows])
        locked = await case_queries.lock_cases(session, [contact.case_id for contact in contacts.values()])
    numbers: list[dict[str, object]] = []
    for row in rows:
        contact = contacts.get(row.call_id)
        if contact is None or row.number is None:
            continue
        wrapped = locked[contact.case_id].wrapped_key
        if wrapped is None:
            row.number = row.number_index = None
            continue
        number = _number(archive, row.number, row.call_id)
        sealed = archive.keyring.unwrap(wrapped).seal(number, cases.number_context(contact.case_id))
        of_case = {"case_id": contact.case_id, "number_index": row.number_index}
        numbers.append({**of_case, "sealed": sealed, "first_at": contact.started_at})
        contact.number_index, row.number = row.number_index, None
    await insert_once(session, CaseNumber, numbers, keys=["case_id", "number_index"])


def _number(archive: Archive, sealed: Sealed, call_id: str) -> str:
    return archive.keyring.open(sealed, number_context(call_id))


async def _contacts(session: AsyncSession, archive: Archive, touched: Sequence[Touched]) -> list[tuple[int, int]]:
    """One answered call, one contact, whoever answered it and however often. Gives (account, contact) of news."""
    answered = [(row, _answers(archive, row, fresh)) for row, fresh in touched]
    answers = [answer for _, own in answered for answer in own]
    opened_for: list[tuple[int, int]] = []
    if answers:
        opened = await cases.open_contacts(session, archive.keyring, archive.pbx, answers)
        opened_for = [
            (answer.account_id, contact.contact_id)
            for answer, contact in zip(answers, opened, strict=True)
            if answer.account_id is not None
        ]
        in_its_case = {answer.call_id for answer, contact in zip(answers, opened, strict=True) if contact.numbered}
        for row, _ in touched:
            if row.call_id in in_its_case:
                row.number = None  # it lies in the case alone now, under that case's key, and is erased with it
    # also of a call whose answer nobody heard: its contact is there
    ends = {row.call_id: row.ended_at for row, fresh in touched if fresh and row.ended_at is not None}
    await cases.end_contacts(session, archive.pbx, ends)
    return opened_for


def _answers(archive: Archive, row: Call, fresh: Sequence[Told]) -> list[Answer]:
    told_ = sorted((fact for fact in fresh if fact.what == "answered"), key=lambda fact: fact.ordinal)
    if not told_:
        return []
    number = None
    if row.number_kind is NumberKind.GIVEN and row.number is not None:
        number = _number(archive, row.number, row.call_id)
    return [
        Answer(
            call_id=row.call_id,
            account_id=account_of(fact.detail["interface"]),
            number=number,
            line=row.line,
            at=fact.at,
            centre=fact.detail["queue"] if fact.detail["via"] in BY_CENTRE else None,
        )
        for fact in told_
    ]


async def end_vanished(session: AsyncSession, archive: Archive, call_ids: Sequence[str]) -> Recorded:
    """Calls that live no more, and whose end nobody told, not even the journal: ended by fault, once."""
    stored = await queries.facts_of(session, archive.pbx, call_ids)
    ends = [_presumed_end(archive.pbx, call_id, facts) for call_id, facts in stored.items() if facts]
    return await record(session, archive, ends)


def _presumed_end(pbx: str, call_id: str, facts: Sequence[Told]) -> CallFact:
    last = max(fact.at for fact in facts)
    return CallEnded(
        pbx=pbx, at=last.timestamp(), call_id=call_id, ordinal=PRESUMED, by=EndedBy.FAULT, stage=stage_of(facts)
    )
