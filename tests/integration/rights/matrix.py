"""The matrix: every route × everybody × each team's records, executed; what was seen against what is declared.

Cells are generated from the routes themselves (cells.py). How a route is called is in EXAMPLES, the only thing written
by hand: a route without one is a finding. One's own things, and commands to the PBX: own.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Final

import aiohttp
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.rights import Right, Role
from service.http.routing import Reach
from tests.integration.rights import trail
from tests.integration.rights.cells import FOREIGN, Cell, Tie, cells_of, expected, visible
from tests.integration.rights.examples import About
from tests.integration.rights.house import API, House, Viewer
from tests.integration.rights.own import Owners
from tests.integration.rights.records import TEAMS, Record, marks_in

#: nobody has them
UNKNOWN_ID: Final = 777_777_777_777
UNKNOWN_CALL: Final = "00000000-0000-4000-8000-000000000000"
NOTHING_FOUND: Final = {"cases": [], "more": False}


@dataclass(slots=True)
class Report:
    """What was found. `leaks`: something was seen or done that must not be; `wrong`: refused, or not on the trail."""

    routes: int = 0
    people: int = 0
    teams: int = len(TEAMS)
    cells: int = 0
    allowed: int = 0
    leaks: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.routes} routes x {self.people} roles and teams x {self.teams} centres = {self.cells} cells, "
            f"{self.allowed} allowed, {len(self.leaks)} leaks"
        )


# --- carrying a cell out ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Asked:
    """A cell made ready: its record, and what is sent."""

    cell: Cell
    record: Record | None = None
    mine: Record | None = None  #: of the viewer, to be linked
    words: dict[str, Any] = field(default_factory=dict)  #: of the path


async def make_ready(house: House, cells: list[Cell]) -> list[Asked]:
    """Each cell gets records of its own, so that none sees what another did."""
    ready = []
    async with house.store.transaction() as session:
        for cell in cells:
            asked = Asked(cell)
            about, viewer = cell.example.about, cell.viewer
            talks = viewer.account_id if Role.LISTENER in viewer.roles and not viewer.left else None
            if viewer.left and cell.own:
                asked.record = house.held[viewer.account_id]
            elif about in (About.READ, About.WRITE, About.CALL, About.FOUND):
                held = talks if cell.own else None
                asked.record = house.registry.make(session, cell.team, draft=cell.example.draft, in_contact=held)
                await session.flush()
                _tie(house, session, cell, asked.record)
            elif about is About.LINK:
                asked.record = house.registry.make(session, cell.team)
                asked.mine = house.registry.make(session, viewer.home, draft=True, in_contact=talks)
            elif about is About.LINKED:
                asked.record = house.registry.make(session, viewer.home)
                asked.mine = house.registry.make(session, cell.team, draft=True)
            ready.append(asked)
    return ready


def _tie(house: House, session: AsyncSession, cell: Cell, record: Record) -> None:
    """What binds the viewer to the record; and for what is looked for, a foreign case with the same name."""
    registry, viewer = house.registry, cell.viewer
    if cell.tie is Tie.CLOSED and viewer.account_id:
        registry.close(session, record, viewer.account_id)
    if cell.tie is Tie.RELEASED:
        registry.took_part(session, record, viewer.account_id)
    if cell.tie in (Tie.CALLS, Tie.SHIELDED):
        like = replace(record, word=f"autre{record.case_id}")
        registry.make(session, viewer.home, draft=True, in_contact=viewer.account_id, like=like)
    if cell.tie is Tie.CALLS:
        house.callers.setdefault(viewer.account_id, set()).add(record.case_id)
    if cell.tie is Tie.SHIELDED:
        registry.shield(session, record)
    if cell.example.about is About.FOUND:
        twin = replace(record, number=f"+3363997{record.case_id % 10_000:04}")
        registry.make(session, FOREIGN if viewer.home != FOREIGN else None, like=twin)


async def _address(house: House, asked: Asked, *, unknown: bool = False) -> str:
    cell, record = asked.cell, asked.mine or asked.record
    viewer, words = cell.viewer, {}
    if record is not None:
        words = {"case_id": record.case_id, "contact_id": record.contact_id, "call_id": record.call_id}
    if cell.example.about in (About.RINGING, About.SPEAKING, About.TALKING):
        what = "rings" if cell.example.about is About.RINGING else "talks"
        words["call_id"] = house.calls[what, viewer.account_id if cell.own else house.bystanders[cell.team]]
    if cell.example.about is About.SESSION and viewer.cast != "nobody":
        words["session_id"] = await _session_of(house, viewer if cell.own else _other(house, viewer))
    if unknown:
        words |= {"case_id": UNKNOWN_ID, "contact_id": UNKNOWN_ID, "call_id": UNKNOWN_CALL, "session_id": UNKNOWN_ID}
        if cell.example.about is About.LINK and asked.mine is not None:
            words["contact_id"] = asked.mine.contact_id
    else:
        asked.words = words
    path = cell.example.path or cell.route.address
    return path.format(**({"session_id": 0} | words)) + cell.example.query


async def _session_of(house: House, viewer: Viewer) -> int:
    """A further sign-in of theirs."""
    client = viewer.client
    viewer.client = await house.client()
    try:
        await house.sign_in(viewer)
        async with viewer.client.get(f"{API}/account/sessions") as response:
            return next(int(one["session_id"]) for one in (await response.json())["sessions"] if one["here"])
    finally:
        viewer.client = client


def _other(house: House, viewer: Viewer) -> Viewer:
    return next(other for other in house.viewers if other.account_id not in (0, viewer.account_id))


async def _body(house: House, asked: Asked, *, unknown: bool = False) -> Any:
    example = asked.cell.example
    if example.look is not None and asked.record is not None:
        return example.look(asked.record)
    if example.prepare is not None:
        return await example.prepare(house, asked.cell.viewer)
    if example.about in (About.LINK, About.LINKED) and asked.record is not None:
        missing = unknown and example.about is About.LINK
        return {"case_id": UNKNOWN_ID if missing else asked.record.case_id}
    return None if asked.cell.route.method in ("GET", "DELETE") else dict(example.body or {})


async def ask(house: House, asked: Asked, address: str, *, unknown: bool = False) -> tuple[int, str]:
    """Status and text. A WebSocket's text is all that it sent."""
    cell = asked.cell
    if cell.route.websocket:
        return await _listen(house, cell, address)
    body = await _body(house, asked, unknown=unknown)
    async with cell.viewer.client.request(cell.route.method, address, json=body) as response:
        return response.status, await response.text()


async def _listen(house: House, cell: Cell, address: str) -> tuple[int, str]:
    """The snapshot, then the change that follows: every listener's contact is shown anew."""
    try:
        socket = await cell.viewer.client.ws_connect(address)
    except aiohttp.WSServerHandshakeError as error:
        return error.status, ""
    async with socket:
        said = [await asyncio.wait_for(socket.receive_str(), 10)]
        for account_id, shown in list(house.live.views.contacts.items()):
            shown.view = {**shown.view, "saved_at": f"2026-09-14T10:00:{len(cell.viewer.username) + len(said):02}Z"}
            house.live.views.show_again(account_id)
        house.live.board.tick("2026-09-14T10:00:00Z")
        while '"tick"' not in said[-1]:
            said.append(await asyncio.wait_for(socket.receive_str(), 10))
    return 101, "\n".join(said)


# --- judging ----------------------------------------------------------------------------------------------------------


def seen_too_much(cell: Cell, text: str) -> str | None:
    """What the answer tells that this viewer must not learn."""
    viewer, reach = cell.viewer, cell.route.reach
    marks, home = marks_in(text), {viewer.home} if viewer.cast != "nobody" else set()
    if cell.tie is Tie.CALLS or (cell.tie is Tie.RELEASED and cell.example.draft):
        home.add(cell.team)
    if reach is Reach.NOBODY and (marks.content or marks.ids or marks.calls):
        return "tells of a record"
    if reach is Reach.TRAIL:
        return "tells what was said" if marks.content else None
    if foreign := (marks.content | marks.ids) - home:
        return f"tells of a record of {', '.join(sorted(team or 'the national team' for team in foreign))}"
    if marks.calls - home and not (reach in (Reach.LINE, Reach.LIVE) and Right.WATCH_LINE in viewer.rights):
        return "tells of another team's call"
    return None


def _without_callers_cases(house: House, asked: Asked, text: str) -> str:
    """A list of cases holds those of the callers with whom the viewer is in contact, too: those are theirs to see."""
    if asked.cell.route.address != f"{API}/cases/search" or asked.record is not None:
        return text
    cases, callers = json.loads(text).get("cases", []), house.callers.get(asked.cell.viewer.account_id, set())
    return json.dumps([case for case in cases if case["case_id"] not in callers])


def found_too_much(asked: Asked, text: str) -> str | None:
    """A search by a word or reference that is one record's finds that one where it may be known of; else nothing."""
    found, record = json.loads(text), asked.record
    assert record is not None
    if not visible(asked.cell):
        return None if found == NOTHING_FOUND else f"finds what they may not know of: {text[:160]}"
    if found["more"] or [case["case_id"] for case in found["cases"]] != [record.case_id]:
        return f"does not find that case alone: {text[:160]}"
    return None


def kinds_too_many(cell: Cell, text: str) -> str | None:
    """Of the live feed: kinds of entities that this viewer's rights do not reach."""
    allowed = {"line"}
    if Right.WATCH_LINE in cell.viewer.rights:
        allowed |= {"call", "listener", "alarm"}
    if cell.viewer.left or Right.TAKE_CALLS in cell.viewer.rights:
        allowed |= {"me", "offer", "contact"}
    if Right.WRITE_CASES in cell.viewer.rights:
        allowed.add("notice")
    messages = [json.loads(line) for line in text.splitlines()]
    entities = [entity for message in messages for entity in message.get("entities", [])]
    if more := {entity["kind"] for entity in entities} - allowed:
        return f"gets {', '.join(sorted(more))}"
    offers = [entity["value"] for entity in entities if entity["kind"] == "offer" and entity["value"]]
    if cell.viewer.left and any(offer["cases"] or offer["contacts"] for offer in offers):
        return "gets what is known of a caller, without the right to see it"
    mine = {str(cell.viewer.account_id)}
    if {entity["id"] for entity in entities if entity["kind"] == "me"} - mine:
        return "gets another listener's own state"
    return None


async def judge(house: House, owners: Owners, asked: Asked, report: Report) -> None:
    """Carry one cell out and hold it to what is declared."""
    cell, wanted = asked.cell, expected(asked.cell)
    address = await _address(house, asked)
    if cell.example.about is About.SESSION:
        await house.new_entries()  # a sign-in of ours is not the cell's
    status, text = await ask(house, asked, address)
    put = await house.new_entries()
    report.cells += 1
    _judge_commands(owners, cell, status, report)
    if status != wanted:
        let_in = status < 400 or (wanted in (401, 403) and status not in (401, 403)) or wanted == 404
        (report.leaks if let_in else report.wrong).append(f"{cell}: {status} instead of {wanted}: {text[:200]}")
        return
    report.leaks += [f"{cell}: {told}" for told in await _told(owners, asked, status, text) if told]
    if status == cell.example.status and status < 400:
        report.allowed += 1
        _remember(cell, text)
        report.wrong += [f"{cell}: {what}" for what in trail.wrong(house, asked, text, put)]
    elif cell.route.address != f"{API}/session" and put:
        report.wrong.append(f"{cell}: refused, and yet on the trail: {put}")
    if status == 404:
        await _like_nothing(house, asked, text, report)
        await house.new_entries()


async def _told(owners: Owners, asked: Asked, status: int, text: str) -> list[str | None]:
    """What an answer tells too much, in every way that it may."""
    cell = asked.cell
    told = [seen_too_much(cell, _without_callers_cases(owners.house, asked, text))]
    if cell.route.websocket and status == 101:
        told.append(kinds_too_many(cell, text))
    if cell.route.reach is Reach.OWN and status < 400 and cell.viewer.account_id:
        await owners.learn()
        told.append(owners.anothers(cell.viewer, text))
    if cell.example.about is About.FOUND and status == 200:
        told.append(found_too_much(asked, text))
    return told


def _judge_commands(owners: Owners, cell: Cell, status: int, report: Report) -> None:
    """The PBX is asked only by whoever may, and only about their own phone and conversation."""
    commands = owners.commands()
    for command in commands:
        if status >= 400 or cell.route.reach is not Reach.OWN or owners.about(command) != cell.viewer.account_id:
            report.leaks.append(f"{cell}: {status}, and asked the PBX for {command}")
    asks = cell.example.asks_last if cell.viewer.left else cell.example.asks
    if asks is not None and status == cell.example.status and not any(isinstance(one, asks) for one in commands):
        report.wrong.append(f"{cell}: did not ask the PBX for {asks.__name__}")


def _remember(cell: Cell, text: str) -> None:
    """What later cells need."""
    if cell.route.address == f"{API}/account/second-step" and cell.route.method == "POST":
        cell.viewer.secret = json.loads(text)["secret"]
    if cell.route.address == f"{API}/account/second-step/remove":
        cell.viewer.secret = ""


async def _like_nothing(house: House, asked: Asked, text: str, report: Report) -> None:
    """What one may not know of answers like what does not exist."""
    address = await _address(house, asked, unknown=True)
    status, other = await ask(house, asked, address, unknown=True)
    if (status, other) != (404, text):
        report.leaks.append(f"{asked.cell}: tells that it exists: {text[:120]} / {status} {other[:120]}")


async def run(house: House, *, only: str = "", casts: Collection[str] | None = None) -> Report:
    """Every cell, one after the other. `only`: of addresses that begin so; `casts`: of these viewers."""
    if casts is not None:
        house.viewers = [viewer for viewer in house.viewers if viewer.cast in casts]
    cells = [cell for cell in cells_of(house) if cell.route.address.startswith(only)]
    owners = Owners(house)
    report = Report(len({(cell.route.method, cell.route.address) for cell in cells}), len(house.viewers))
    for asked in await make_ready(house, cells):
        await judge(house, owners, asked, report)
    return report
