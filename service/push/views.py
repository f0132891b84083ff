"""The world → live entities, as the pages get them. Pure but for the board that it fills."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pbx.calls import LiveCall
from pbx.facts import Stage
from service.calls.known import UNAVAILABLE, UNKNOWN, KnownCaller
from service.calls.lookup import Lookup, Question
from service.cases.schemas import Known
from service.health.model import Alarm
from service.listeners.model import ListenerState, account_of, doing_by_interface, interface_of
from service.push.audiences import Kind
from service.push.hub import Board
from service.queues.model import positions
from service.world import Line, Touched, World

#: A caller at these stages waits. One who is offered a centre, or whose listener was lost, keeps their rank meanwhile.
_WAITING = frozenset({Stage.WAITING, Stage.LOST, Stage.OVERFLOW})
#: of a caller, to pages without the rights of their roles
_NOTHING_TOLD = UNAVAILABLE.model_dump(mode="json")


def iso(at: float | None) -> str | None:
    """Epoch seconds → ISO 8601 UTC with milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class ListenerContact:
    """A listener's current contact: theirs until the wrap-up is ended. `view`: JSON values, without the notes' text."""

    contact_id: int
    call_id: str
    view: Mapping[str, Any]


@dataclass(slots=True)
class _Shown:
    state: ListenerState
    pause_reason: str
    since: float


@dataclass(slots=True)
class Views:
    """Fills the board from the world. `contacts`: account → contact, told by the recorder after its commit."""

    world: World
    board: Board
    lookup: Lookup
    clock: Callable[[], float] = time.time
    contacts: dict[int, ListenerContact] = field(default_factory=dict)
    ending_wrapup: set[int] = field(default_factory=set)
    _shown: dict[int, _Shown] = field(default_factory=dict)
    _offered: dict[str, set[int]] = field(default_factory=dict)
    _told: dict[tuple[str, int], set[int]] = field(default_factory=dict)

    def refresh(self, pbx: str, touched: Touched, now: float) -> None:
        """Show again what a batch touched. `now`: epoch seconds, the PBX's clock."""
        line = self.world.lines[pbx]
        if touched.line:
            self.show_line(line, now)
        if touched.everything:
            self.refresh_all(now)
            return
        accounts = touched.accounts | self._talking_on(touched.calls)  # before: who talked on a call that is gone
        for call_id in sorted(touched.calls):
            self._show_call(line, call_id)
            accounts |= self._show_offers(line, call_id)
        if touched.calls:
            self._show_positions(line)
        indexes = self.world.indexes()
        for account_id in accounts:
            self.show_listener(account_id, now, indexes)

    def refresh_all(self, now: float) -> None:
        """Show everything again: after a snapshot, and at each tick, so that a view mends itself."""
        live: set[str] = set()
        for line in self.world.lines.values():
            for call_id in list(line.state.calls):
                self._show_call(line, call_id)
                self._show_offers(line, call_id)
                if line.call(call_id) is not None:
                    live.add(call_id)
            self._show_positions(line)
        for call_id in self.board.ids(Kind.CALL):
            if call_id not in live:
                self.board.remove(Kind.CALL, call_id)
        for call_id in [call_id for call_id in self._offered if call_id not in live]:
            self._withdraw_offers(call_id, keep=set())
        indexes = self.world.indexes()
        for account_id in self._everybody():
            self.show_listener(account_id, now, indexes)

    def show_line(self, line: Line, now: float) -> None:
        """The state of a PBX's connection. `as_of`: up to when the rest of the view is true."""
        value = {"state": line.link.value, "as_of": iso(now), "since": iso(line.since or now)}
        self.board.show(Kind.LINE, line.pbx, value)

    def show_alarms(self, alarms: Iterable[Alarm]) -> None:
        """The alarms that last, and no others; those that concern writers on their pages, too."""
        wanted: dict[Kind, dict[str, Mapping[str, Any]]] = {Kind.ALARM: {}, Kind.NOTICE: {}}
        for alarm in alarms:
            value: dict[str, Any] = {
                "id": alarm.key.id.value,
                "subject": alarm.key.subject,
                "severity": alarm.definition.severity.value,
                "since": iso(alarm.since),
                "cause": alarm.cause.value if alarm.cause is not None else None,
            }
            wanted[Kind.ALARM][str(alarm.key)] = value
            if alarm.definition.to_writers:
                wanted[Kind.NOTICE][str(alarm.key)] = value
        for kind, values in wanted.items():
            for id_ in self.board.ids(kind):
                if id_ not in values:
                    self.board.remove(kind, id_)
            for id_, shown in values.items():
                self.board.show(kind, id_, shown)

    # --- calls

    def _show_call(self, line: Line, call_id: str) -> None:
        call = line.call(call_id)
        if call is None:
            self.board.remove(Kind.CALL, call_id)
            return
        shown = self.board.value(Kind.CALL, call_id)
        position = shown["position"] if shown and call.stage in _WAITING else None
        self.board.show(Kind.CALL, call_id, self._call_value(call, position))

    def _show_positions(self, line: Line) -> None:
        waiting = (replace(call, stage=Stage.WAITING) for call in line.state.calls.values() if call.stage in _WAITING)
        for call_id, position in positions(waiting).items():
            self.board.show(Kind.CALL, call_id, self._call_value(line.state.calls[call_id], position))

    def _talking_on(self, calls: Iterable[str]) -> set[int]:
        """Listeners whom the board shows on these calls."""
        shown = (self.board.value(Kind.CALL, call_id) for call_id in calls)
        return {value["listener_id"] for value in shown if value and value["listener_id"] is not None}

    def _call_value(self, call: LiveCall, position: int | None) -> dict[str, Any]:
        listener_id = account_of(call.listener) if call.stage in (Stage.TALKING, Stage.LOST) else None
        return {
            "call_id": call.call_id,
            "stage": call.stage.value,
            "queue": call.queue or None,
            "arrived_at": iso(call.arrived or None),
            "position": position,
            "listener_id": listener_id,
            "listener_name": self._name(listener_id) if listener_id is not None else None,
            "answered_at": iso(call.answered_at),
            "centre": call.centre or None,
        }

    # --- listeners

    def show_listener(
        self, account_id: int, now: float, indexes: Mapping[str, Mapping[str, LiveCall]] | None = None
    ) -> None:
        """A listener's own state (`me`), their line on the board, and their contact while it is theirs."""
        doing = self.world.doing(account_id, indexes)
        shown = self._shown.get(account_id)
        if shown is None or (shown.state, shown.pause_reason) != (doing.state, doing.pause_reason):
            shown = self._shown[account_id] = _Shown(doing.state, doing.pause_reason, now)
        if doing.state is not ListenerState.WRAP_UP:
            self.ending_wrapup.discard(account_id)
        me = {
            "state": doing.state.value,
            "pause_reason": doing.pause_reason or None,
            "since": iso(shown.since),
            "phone_reachable": self.world.phone_reachable(account_id),
            "phone_session": self.world.phone_sessions.get(account_id),
            "ending_wrapup": account_id in self.ending_wrapup,
        }
        self.board.show(Kind.ME, str(account_id), me, account_id)
        self._show_contact(account_id)
        queues = self.world.queues_of(account_id)
        if doing.state is ListenerState.ABSENT and not queues:
            self.board.remove(Kind.LISTENER, str(account_id))
            return
        entry = {
            "account_id": account_id,
            "name": self._name(account_id),
            "state": doing.state.value,
            "pause_reason": doing.pause_reason or None,
            "since": iso(shown.since),
            "queues": queues,
        }
        self.board.show(Kind.LISTENER, str(account_id), entry)

    def learn(self, question: Question, known: KnownCaller) -> None:
        """What is known about a caller was found."""
        found = self.world.find_call(question.call_id)
        if found is None:
            return
        if question.account_id is None:
            self.world.known[question.call_id] = known
            self.world.outdated.discard(question.call_id)
        else:
            self.world.known_to[question.call_id, question.account_id] = known
        self._show_offers(found[0], question.call_id)
        self.board.flush()

    def look_again(self, shielded: str | None = None) -> None:
        """What is known of callers changed: those on the line are looked up anew.

        `shielded`: a number (its keyed hash) of which nothing is shown meanwhile: the accused may be on the line with
        it. Others keep what was found until the answer comes; who is talked with rings for nobody, and is asked about
        when they do.
        """
        self.lookup.outdate()
        for line in self.world.lines.values():
            for call in line.state.calls.values():
                if call.stage is Stage.ENDED or not call.caller_token:
                    continue
                hidden = shielded is not None and self.lookup.index_of(call.caller_token) == shielded
                self.world.outdate(call.call_id, forget=hidden)
                if hidden:
                    self._show_offers(line, call.call_id)
                if hidden or call.stage is not Stage.TALKING:
                    self.lookup.ask(Question(call.call_id, call.caller_token))
        self.board.flush()

    def phones_moved(self, holders: Mapping[int, int]) -> None:
        """`holders`: account → session whose page has the phone now. Every page of those concerned is told."""
        before, self.world.phone_sessions = self.world.phone_sessions, holders
        moved = [account_id for account_id in self._shown if before.get(account_id) != holders.get(account_id)]
        for account_id in moved:
            self.show_listener(account_id, self.clock())
        self.board.flush()

    def show_again(self, account_id: int) -> None:
        """A listener's page came, or something of ours about them changed: show their state and calls at once."""
        self.show_listener(account_id, self.clock())
        for line in self.world.lines.values():
            for call in line.calls_of(interface_of(account_id)):
                self._show_call(line, call.call_id)
        self.board.flush()

    def _everybody(self) -> set[int]:
        """Listeners who are members anywhere, are on a call, or have something shown."""
        found = set(self._shown) | set(self.contacts)
        for line in self.world.lines.values():
            on_calls = doing_by_interface(line.state.calls.values())
            accounts = (account_of(interface) for interface in (*line.state.members, *on_calls))
            found.update(account for account in accounts if account is not None)
        return found

    def _name(self, account_id: int) -> str:
        person = self.world.people.get(account_id)
        return person.name if person is not None else f"l{account_id}"

    # --- what only the listener concerned may see

    def _show_offers(self, line: Line, call_id: str) -> set[int]:
        """Gives the accounts for whom the call rang and rings no more."""
        call = line.call(call_id)
        rung = set()
        if call is not None:
            rung = {account for account in map(account_of, call.ringing) if account is not None}
            for account_id in rung:
                self._show_offer(call, account_id)
        stopped = self._withdraw_offers(call_id, keep=rung)
        if rung:
            self._offered[call_id] = rung
        return stopped

    def _show_offer(self, call: LiveCall, account_id: int) -> None:
        known = self._known_to(call, account_id)
        value = {
            "call_id": call.call_id,
            "rung_at": iso(self.world.rung_at.get((call.call_id, account_id))),
            "returning": call.stage is Stage.LOST,
        }
        self.board.show(Kind.OFFER, call.call_id, value | known.model_dump(mode="json"), account_id)
        self.board.show(Kind.OFFER, call.call_id, value | _NOTHING_TOLD, account_id, confined=True)
        before = self._told.setdefault((call.call_id, account_id), set())
        shown = [case for case in known.cases if case.case_id not in before]
        if shown:
            before.update(case.case_id for case in shown)
            self.lookup.shown(account_id, known.model_copy(update={"cases": shown}))

    def _known_to(self, call: LiveCall, account_id: int) -> Known:
        """What this listener may know; somebody to whom one of the cases is closed is looked up for themselves."""
        found = self.world.known.get(call.call_id)
        if found is None:
            return UNAVAILABLE
        if account_id not in found.closed_to:
            return found.known
        personal = self.world.known_to.get((call.call_id, account_id))
        if personal is not None:
            return personal.known
        self.lookup.ask(Question(call.call_id, call.caller_token, account_id))
        return UNKNOWN

    def _withdraw_offers(self, call_id: str, keep: set[int]) -> set[int]:
        stopped = self._offered.pop(call_id, set()) - keep
        for account_id in stopped:
            self.board.remove(Kind.OFFER, call_id, account_id)
            self.board.remove(Kind.OFFER, call_id, account_id, confined=True)
            self._told.pop((call_id, account_id), None)
        return stopped

    def set_contact(self, account_id: int, contact: ListenerContact) -> None:
        """The recorder committed (or somebody changed) this listener's current contact."""
        previous = self.contacts.get(account_id)
        if previous is not None and previous.contact_id != contact.contact_id:
            self.board.remove(Kind.CONTACT, str(previous.contact_id), account_id)
        self.contacts[account_id] = contact
        self._show_contact(account_id)

    def drop_contact(self, account_id: int) -> None:
        """The wrap-up was ended: the contact is not on the page any more."""
        contact = self.contacts.pop(account_id, None)
        if contact is not None:
            self.board.remove(Kind.CONTACT, str(contact.contact_id), account_id)

    def _show_contact(self, account_id: int) -> None:
        contact = self.contacts.get(account_id)
        if contact is None:
            return
        found = self.world.find_call(contact.call_id)
        live = found is not None and account_of(found[1].listener) == account_id
        value = {**contact.view, "call_live": live}
        self.board.show(Kind.CONTACT, str(contact.contact_id), value, account_id)
