"""A line with its service and several pages: whatever may change a page, by a rule; and what each page was sent.

The pump, world, views and board are the real ones; what is beside them (Asterisk, recorder, lookup) is told by hand.
A `Chooser` decides what happens: hypothesis in the properties, a fixed seed for the messages that the front end's own
tests follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from pbx.events import (
    ContactSeen,
    ContactsListed,
    Event,
    LegsListed,
    MemberLeft,
    MemberSeen,
    MembersListed,
    RingBegan,
    SessionBegan,
    SessionLost,
    SessionRefused,
    SnapshotTaken,
)
from pbx.facts import DeviceState, Fact
from pbx.link import PbxLink
from pbx.state import PbxState
from service.accounts.viewer import Viewer
from service.calls.known import KnownCaller
from service.calls.lookup import Question
from service.cases.schemas import Known
from service.health.model import Alarm, AlarmId, Key
from service.listeners.model import ListenerState, interface_of
from service.pump import Pump
from service.push.audiences import audiences_for
from service.push.hub import Board, Reader
from service.push.presence import Presence
from service.push.views import ListenerContact, Views, iso
from service.world import Person, World
from tests.unit.pbx.line_model import CENTRE_LISTENERS, LISTENERS, Line
from tests.unit.pbx.line_truth import listed
from tests.unit.service_live.live_pages import VIEWERS, Page, Refetch, Things
from tests.unit.service_live.worlds import ROUTES, RULES

T = TypeVar("T")
PBXS = ("pbx1", "pbx2")
#: all who have a phone
ACCOUNTS = tuple(int(name[1:]) for name in LISTENERS + CENTRE_LISTENERS)
PAUSES = ("", "", "wrap-up", "reconnecting", "coffee")


class Chooser(Protocol):
    """Who decides what happens."""

    def __call__(self, options: Sequence[T], /) -> T: ...


class NoRecorder:
    """Nothing is stored here."""

    def offer(self, facts: Sequence[Fact]) -> None: ...

    def writing_ended(self, account_id: int, at: object) -> None: ...

    def sample(self, now: float) -> None: ...

    def heard(self, at: float) -> None: ...


class NoLookup:
    """What is known of callers is told by hand."""

    def ask(self, question: Question) -> None: ...

    def shown(self, account_id: int, known: Known) -> None: ...


class HandLink:
    """A PBX that says what the test says; nothing that is asked of it is carried out."""

    def __init__(self, pbx: str) -> None:
        self.config = type("config", (), {"pbx": pbx})
        self.state = PbxState(pbx)
        self.clock_offset, self.connected, self.last_heard = 0.0, True, float("inf")


class SteadyPump(Pump):
    """On the line's clock, so that what it shows is the same in each run."""

    def __init__(self, line: Line, link: PbxLink, **parts: Any) -> None:
        self.line = line
        super().__init__(link, **parts)

    def now(self) -> float:
        return self.line.clock


class OnePbx:
    """A line, what was heard of it, and its pump."""

    def __init__(self, pbx: str, live: LiveLine) -> None:
        self.line = Line(self._heard)
        self.line._entered = 1000 * PBXS.index(pbx)
        self.link = HandLink(pbx)
        self.connected = False
        self._facts: list[Fact] = []
        self.rang: set[tuple[str, str]] = set()  #: (interface, call id), whether anybody was listening or not
        self.members: dict[tuple[str, str], MemberSeen] = {}
        self.contacts: dict[str, ContactSeen] = {}
        self.pump = SteadyPump(
            self.line,
            self.link,  # type: ignore[arg-type]
            world=live.world,
            views=live.views,
            presence=live.presence,
            recorder=live.recorder,
            lookup=live.lookup,
            on_connected=lambda _pbx: None,
        )

    def _heard(self, _channel: str, event: Event) -> None:
        if isinstance(event, RingBegan):
            self.rang.add((event.interface, event.call_id))
        if self.connected:
            self._facts += self.link.state.apply(event)

    def tell(self, *events: Event) -> None:
        for event in events:
            self._facts += self.link.state.apply(event)
        self.batch()

    def batch(self) -> None:
        """Hand over what was heard."""
        facts, self._facts = self._facts, []
        if facts:
            self.pump.take(facts)

    def lose(self, *, refused: bool = False) -> None:
        self.batch()
        self.connected = self.link.connected = False
        at = self.line.clock
        self.tell(SessionRefused(at=at) if refused else SessionLost(at=at, reason="test"))

    def connect(self) -> None:
        at, legs = self.line.clock, [leg for call in self.line.calls.values() for leg in listed(call)]
        self.connected = self.link.connected = True
        self.tell(
            SessionBegan(at=at, started=str(self.line.started), version="22.10.1"),
            LegsListed(at=at, legs=tuple(legs)),
            MembersListed(at=at, members=tuple(self.members.values())),
            ContactsListed(at=at, contacts=tuple(self.contacts.values())),
            SnapshotTaken(at=at),
        )


class LiveLine:
    """`events` names what may happen; each takes a chooser."""

    def __init__(self) -> None:
        self.world = World(RULES)
        self.world.routes = ROUTES
        self.board, self.presence = Board(), Presence()
        self.recorder, self.lookup = NoRecorder(), NoLookup()
        self.views = Views(self.world, self.board, self.lookup, clock=self.now)  # type: ignore[arg-type]
        self.pages: list[Page] = []
        self.contacts: list[int] = []  #: whose each was, by their number
        self.pbxs = [OnePbx(pbx, self) for pbx in PBXS]

    def now(self) -> float:
        return max(pbx.line.clock for pbx in self.pbxs)

    # --- the line ---------------------------------------------------------------------------------------------------

    def calls_go_on(self, choose: Chooser) -> None:
        pbx = choose(self.pbxs)
        for _ in range(choose((1, 2, 4))):
            choices = pbx.line.choices()
            if len(pbx.line.calls) < 3:
                choices.append(("somebody calls", pbx.line.somebody_calls))
            choose(choices)[1]()
            pbx.line.bury()
        pbx.batch()

    def member_changes(self, choose: Chooser) -> None:
        pbx, account_id = choose(self.pbxs), choose(ACCOUNTS)
        queue = "national" if f"l{account_id}" in LISTENERS else "centre-38"
        key = (queue, interface_of(account_id))
        at = pbx.line.tick()
        if key in pbx.members and choose((False, False, True)):
            del pbx.members[key]
            event: Event = MemberLeft(at=at, queue=queue, interface=key[1])
        else:
            reason = choose(PAUSES)
            event = pbx.members[key] = MemberSeen(
                at=at,
                queue=queue,
                interface=key[1],
                paused=bool(reason),
                pause_reason=reason,
                device=choose(tuple(DeviceState)),
                in_call=choose((False, True)),
            )
        if pbx.connected:
            pbx.tell(event)

    def phone_changes(self, choose: Chooser) -> None:
        pbx, endpoint = choose(self.pbxs), f"l{choose(ACCOUNTS)}"
        at, there = pbx.line.tick(), choose((True, False))
        contact = ContactSeen(at=at, endpoint=endpoint, uri=f"sip:{endpoint}", reachable=there)
        if there:
            pbx.contacts[endpoint] = contact
        else:
            pbx.contacts.pop(endpoint, None)
        if pbx.connected:
            pbx.tell(contact)

    def link_changes(self, choose: Chooser) -> None:
        pbx = choose(self.pbxs)
        pbx.line.tick()
        if pbx.connected:
            pbx.lose()
        elif choose((True, True, False)):
            pbx.connect()
        else:
            pbx.lose(refused=True)

    def asterisk_dies(self, choose: Chooser) -> None:
        pbx = choose(self.pbxs)
        if pbx.connected:
            pbx.lose()
        pbx.line.die()
        pbx.members.clear()

    # --- people -----------------------------------------------------------------------------------------------------

    def somebody_signs_in(self, choose: Chooser) -> None:
        """Their name goes with their calls (`Live.meet`)."""
        account_id = choose(ACCOUNTS)
        self.world.people[account_id] = Person(account_id, choose(("Camille", "Dominique")), None)
        self.views.show_again(account_id)

    def caller_is_known(self, choose: Chooser) -> None:
        questions = [Question(call.call_id, "none") for pbx in self.pbxs for call in pbx.line.calls.values()]
        questions += [Question("ended-long-ago", "none")]
        question = choose(questions)
        if choose((False, True)):
            question = Question(question.call_id, "none", choose(ACCOUNTS))
        self.views.learn(question, KnownCaller(known(choose((0, 1))), frozenset({choose(ACCOUNTS)})))

    def contact_is_stored(self, choose: Chooser) -> None:
        calls = [call for pbx in self.pbxs for call in pbx.line.calls.values()]
        call_id, account_id = choose(calls).call_id if calls else "ended-long-ago", choose(ACCOUNTS)
        current = self.views.contacts.get(account_id)
        if current is not None and choose((False, True)):
            contact_id = current.contact_id
        else:
            self.contacts.append(account_id)
            contact_id = len(self.contacts)
        contact = ListenerContact(contact_id, call_id, contact_state(contact_id, call_id))
        self.views.set_contact(account_id, contact)
        self.board.flush()

    def wrap_up_is_ended(self, choose: Chooser) -> None:
        account_id = choose(ACCOUNTS)
        if self.world.doing(account_id).state is ListenerState.WRAP_UP:
            self.views.ending_wrapup.add(account_id)
        else:
            self.views.drop_contact(account_id)
        self.views.show_again(account_id)

    def second_passes(self, choose: Chooser) -> None:
        for pbx in self.pbxs:
            pbx.line.tick(choose((1.0, 5.0)))
            pbx.pump.tick()
        self.board.tick(str(iso(self.now())))

    def alarms_change(self, choose: Chooser) -> None:
        """What the watch says lasts now."""
        ids = choose(((), (AlarmId.CLOCK_OFFSET,), (AlarmId.NOTES_NOT_SAVING, AlarmId.CLOCK_OFFSET)))
        self.views.show_alarms([Alarm(Key(id_, ""), 1_000_000.0) for id_ in ids])
        self.board.flush()

    # --- pages ------------------------------------------------------------------------------------------------------

    def page_opens(self, choose: Chooser) -> None:
        if len(self.pages) < 12:
            self.open(choose(VIEWERS))

    def open(self, who: Viewer) -> Page:
        page = Page(who, Reader(audiences_for(who), who.account_id, who.session_id))
        self.pages.append(page)
        self.board.join(page.reader, page.inbox)
        page.take()
        return page

    def page_reads(self, choose: Chooser) -> None:
        if self.pages:
            self.read(choose(self.pages))

    def read(self, page: Page) -> None:
        """A page that must fetch again does so."""
        try:
            page.take()
        except Refetch:
            self.close(page)
            self.open(page.viewer).messages[:0] = page.messages

    def page_closes(self, choose: Chooser) -> None:
        if self.pages:
            self.close(choose(self.pages))

    def close(self, page: Page) -> None:
        self.board.leave(page.reader)
        self.pages.remove(page)

    def fresh(self, who: Viewer) -> Things:
        """What a page of theirs that is opened now shows."""
        page = self.open(who)
        self.close(page)
        return page.things

    def theirs(self, kind: str, account_id: int) -> set[str]:
        """Ids of what may ever be shown to this listener."""
        if kind == "me":
            return {str(account_id)}
        if kind == "contact":
            return {str(number) for number, owner in enumerate(self.contacts, start=1) if owner == account_id}
        rang = {pair for pbx in self.pbxs for pair in pbx.rang}
        return {call_id for interface, call_id in rang if interface == interface_of(account_id)}

    def settle(self) -> None:
        """Everything that was sent is read."""
        self.board.flush()
        for page in list(self.pages):
            self.read(page)

    @property
    def events(self) -> tuple[Callable[[Chooser], None], ...]:
        calls = (self.calls_go_on,) * 6
        people = (self.somebody_signs_in, self.caller_is_known, self.contact_is_stored, self.wrap_up_is_ended)
        phones = (self.member_changes, self.member_changes, self.phone_changes)
        rare = (self.link_changes, self.asterisk_dies, self.second_passes, self.alarms_change)
        return (*calls, *people, *phones, *rare, self.page_opens, self.page_reads, self.page_reads, self.page_closes)

    def mended(self) -> Board:
        """A board of its own, made anew of the same world: what the pages should show, whatever came before."""
        board = Board()
        views = Views(self.world, board, NoLookup(), clock=self.now)  # type: ignore[arg-type]
        views.contacts, views.ending_wrapup = dict(self.views.contacts), set(self.views.ending_wrapup)
        views._shown = dict(self.views._shown)
        views.refresh_all(self.now())
        return board


def known(cases: int) -> Known:
    case = {
        "case_id": 3,
        "reference": "2026-38-00123",
        "status": "open",
        "department": "38",
        "opened_at": "2026-03-01T08:00:00Z",
        "last_contact_at": "2026-03-01T08:00:00Z",
    }
    found = {"number": "known", "shielded": False, "contacts": cases, "last_contact_at": None, "cases": [case] * cases}
    return Known.model_validate(found)


def contact_state(contact_id: int, call_id: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(1_000_000, UTC).isoformat().replace("+00:00", "Z")
    return {
        "contact_id": contact_id,
        "call_id": call_id,
        "case_id": contact_id + 100,
        "case_reference": None,
        "case_status": "draft",
        "notes_version": 0,
        "saved_at": None,
        "started_at": at,
        "ended_at": None,
        "listener_name": None,
        "known_hidden": False,
    }
