"""What is on the audit trail of a question that was answered: by whom, of what, and about which record."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from service.accounts.rights import Right
from service.audit.model import Action
from tests.integration.rights.cells import visible
from tests.integration.rights.examples import About
from tests.integration.rights.house import Entry, House

if TYPE_CHECKING:
    from tests.integration.rights.matrix import Asked


def wrong(house: House, asked: Asked, text: str, put: Collection[Entry]) -> Iterator[str]:
    """What is missing of what the route declares, by who asked and about what they asked for; and what is too much."""
    cell, account_id = asked.cell, asked.cell.viewer.account_id
    if cell.route.websocket:  # an offer is put there once, when it is shown first
        if Right.TAKE_CALLS in cell.viewer.rights and house.offer(account_id) not in house.entries:
            yield "a case was shown, and it is not on the trail"
        return
    declared = cell.route.audits if isinstance(cell.route.audits, tuple) else ()
    sometimes = (*cell.route.audits_also, *([Action.SESSION_RELEASED] if cell.viewer.left else []))  # they sign out
    owed = {Entry(account_id, action, *about) for action in declared for about in _about(action, house, asked, text)}
    may = {Entry(account_id, action, *about) for action in sometimes for about in _about(action, house, asked, text)}
    nothing_to_show = cell.example.about is About.FOUND and not visible(cell)
    if Action.CASE_SHOWN in declared and not nothing_to_show and not _cases(text):
        yield "shows no case"
    if missing := owed - set(put):
        yield f"not on the trail: {_told(missing)}"
    if more := set(put) - owed - may:
        yield f"on the trail, and not declared: {_told(more)}"


def _about(action: Action, house: House, asked: Asked, text: str) -> set[tuple[str, str]]:
    """Subject and id of each entry that the action puts there."""
    viewer, words = asked.cell.viewer, asked.words
    cases = [record.case_id for record in (asked.record, asked.mine) if record is not None]
    found: set[tuple[str, Any]]
    match action:
        case Action.CONTACT_LINKED:
            found = {("contact", words["contact_id"]), *(("case", case_id) for case_id in cases)}
        case Action.CONTACT_READ | Action.NOTES_SAVED | Action.NUMBER_SHIELDED | Action.NUMBER_UNSHIELDED:
            found = {("contact", words["contact_id"])}
        case Action.SESSION_RELEASED:
            found = {("contact", house.held[viewer.account_id].contact_id)}
        case Action.CASE_READ | Action.CASE_KEPT | Action.CASE_DISCARDED | Action.NAMES_SAVED:
            found = {("case", cases[0])}
        case Action.CASE_SHOWN:
            found = {("case", case_id) for case_id in _cases(text)}
        case Action.SPEAKER_CONFIRMED:
            found = {("call", words["call_id"])}
        case Action.TRAIL_READ:
            found = {("trail", 0)}
        case _:
            found = {("account", viewer.account_id)}
    return {(subject, str(subject_id)) for subject, subject_id in found}


def _cases(text: str) -> list[int]:
    return [case["case_id"] for case in json.loads(text)["cases"]]


def _told(entries: Iterable[Entry]) -> str:
    return ", ".join(sorted(f"{one.action} of {one.subject} {one.subject_id} by {one.account_id}" for one in entries))
