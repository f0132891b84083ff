"""The way of the data: one ordered pipeline per PBX.

Facts → the world → the pages → decisions → a bounded queue to the recorder. Taking in a batch never awaits: nothing
slow runs in it, and nothing of another batch can come in between. Commands that decisions ask for leave through a
bounded queue with one worker; a command in flight is part of the world.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from pbx.calls import LiveCall
from pbx.commands import Command, DropLostLeg, Heartbeat, PauseMember, WithdrawCaller
from pbx.facts import CallEntered, Fact, ListenerRung, MemberChanged, MemberRemoved, PbxConnected, Stage
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, PbxLink
from service.calls.lookup import Lookup, Question
from service.calls.recorder import Recorder
from service.decisions.overflow import Offer, decide
from service.decisions.recovery import find_lost_leg, find_stranded
from service.decisions.storms import find_faulty
from service.listeners.model import FAULT, WRAP_UP, account_of
from service.push.presence import Presence
from service.push.views import Views
from service.world import Line, LinkState, Touched, World

TICK_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 2.0
#: the heartbeat promises that we decide: without a decision for so long it is not sent, and the dialplan overflows
DECIDED_WITHIN_SECONDS: Final = 5.0
#: commands of decisions that may wait; a decision that finds no room is taken again
COMMAND_LIMIT: Final = 64

_log = structlog.get_logger(__name__)


class Pump:
    """`on_connected`: called when a PBX is there (again): routes and keys are synchronised then. Must not block."""

    def __init__(
        self,
        link: PbxLink,
        *,
        world: World,
        views: Views,
        presence: Presence,
        recorder: Recorder,
        lookup: Lookup,
        on_connected: Callable[[str], None],
    ) -> None:
        self.pbx = link.config.pbx
        self._link = link
        self._world = world
        self._views = views
        self._presence = presence
        self._recorder = recorder
        self._lookup = lookup
        self._on_connected = on_connected
        self._writing: set[int] = set()
        #: monotonic: when the PBX last took a heartbeat, or (before the first) was reached
        self.heartbeat_at: float | None = None
        self._decided_at = float("-inf")  #: monotonic: when decisions were last taken to their end
        self._commands: asyncio.Queue[Command] = asyncio.Queue(COMMAND_LIMIT)
        world.lines[self.pbx] = Line(self.pbx, link.state, since=self.now())

    def now(self) -> float:
        """Epoch seconds on the PBX's clock."""
        return self._link.pbx_now()

    async def run(self) -> None:
        """Until the link is closed, or cancelled."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(part()) for part in (self._tick, self._heartbeat, self._carry_out)]
            async for facts in self._link.batches():
                self.take(facts)
                await asyncio.sleep(0)  # of a storm of events batches wait: pages and heartbeat get their turn
            for helper in helpers:
                helper.cancel()

    # --- the pipeline: no await below this line

    def take(self, facts: Sequence[Fact]) -> None:
        """One batch, in order. What fails in showing or deciding never keeps a fact from being recorded."""
        touched = self._apply(facts)
        self._decide()
        try:
            self._look_up(facts)
            self._views.refresh(self.pbx, touched, self.now())
            self._views.board.flush()
        except Exception:
            _log.exception("a batch of facts could not be shown", action="show-failed", pbx=self.pbx)
        self._recorder.offer(facts)
        self._after(facts)

    def _apply(self, facts: Sequence[Fact]) -> Touched:
        """Fact by fact: one that is not understood costs only itself."""
        touched, instant = Touched(), time.monotonic()
        for fact in facts:
            try:
                one = self._world.apply(self.pbx, (fact,), instant)
            except Exception:
                _log.exception("a fact was not understood", action="take-failed", pbx=self.pbx)
                one = Touched(everything=True)
            touched.calls |= one.calls
            touched.accounts |= one.accounts
            touched.line |= one.line
            touched.everything |= one.everything
        return touched

    def _look_up(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, CallEntered):
                self._lookup.ask(Question(fact.call_id, fact.caller_token))
            elif isinstance(fact, ListenerRung) and fact.call_id in self._world.outdated:
                call = self._world.lines[self.pbx].call(fact.call_id)
                if call is not None:  # who was talked with, and rings again
                    self._lookup.ask(Question(call.call_id, call.caller_token))

    def _after(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, PbxConnected):
                self.heartbeat_at = time.monotonic()  # from now on one is due
                self._on_connected(self.pbx)
                self._look_at_writing(set(self._views.contacts) | self._writing)
            elif isinstance(fact, MemberChanged | MemberRemoved):
                account_id = account_of(fact.interface)
                if account_id is not None:
                    self._look_at_writing({account_id})

    def _look_at_writing(self, accounts: set[int]) -> None:
        """Who ended their wrap-up is in contact no more, also where the database does not know of the contact yet.

        Who leaves the queues while they write, by their own word or not, has not ended it.
        """
        for account_id in accounts:
            if self._world.in_contact(account_id):
                self._writing.add(account_id)
            elif self._world.is_done(account_id) and account_id in self._writing | set(self._views.contacts):
                self._writing.discard(account_id)
                self._views.drop_contact(account_id)
                self._recorder.writing_ended(account_id, datetime.fromtimestamp(self.now(), UTC))
        self._views.board.flush()

    def _decide(self) -> None:
        """Decide, whatever fails elsewhere; what fails here stops the heartbeat, so that the dialplan overflows."""
        try:
            self._evaluate()
        except Exception:
            _log.exception("decisions could not be taken", action="decide-failed", pbx=self.pbx)
        else:
            self._decided_at = time.monotonic()

    def _evaluate(self) -> None:
        """What is level-triggered: callers who wait, legs whose browser died, listeners held for nobody."""
        line = self._world.lines[self.pbx]
        line.begin_round()
        self._overflow(line)
        self._free_callers()
        self._free_listeners(line)
        self._rest_the_faulty(line)

    def _overflow(self, line: Line) -> None:
        now = self.now()
        for call in line.state.calls.values():
            if call.stage is not Stage.WAITING:
                continue
            decision = decide(self._world, call, self.pbx, now)
            if isinstance(decision, Offer):
                command = WithdrawCaller(pbx=self.pbx, queue=call.queue, channel=call.channel, info=decision.info)
                if self._ask(command):
                    self._world.withdrawal_sent(call.call_id, now)

    def _free_callers(self) -> None:
        lost = find_lost_leg(self._world, self.pbx, self._presence.sockets, time.monotonic())
        if lost is not None and self._ask(DropLostLeg(pbx=self.pbx, channel=lost.channel)):
            self._world.leg_dropped(lost.call_id, lost.channel)
            _log.info("a listener's browser is gone; freeing the caller", action="drop-lost-leg", call_id=lost.call_id)

    def _free_listeners(self, line: Line) -> None:
        """Once per member: they write up, and end it themselves."""
        stranded = find_stranded(line, time.monotonic())
        line.asked_to_write &= stranded
        for interface in stranded - line.asked_to_write:
            if self._ask(PauseMember(pbx=self.pbx, interface=interface, paused=True, reason=WRAP_UP)):
                line.asked_to_write.add(interface)

    def _rest_the_faulty(self, line: Line) -> None:
        """A phone that refuses every call: its listener is paused, and their page says why."""
        now = self.now()
        for interface in find_faulty(line, self._world.rules, now):
            if self._ask(PauseMember(pbx=self.pbx, interface=interface, paused=True, reason=FAULT)):
                line.faults_asked[interface] = now
                _log.warning(
                    "a telephone refuses every call at once; its listener is paused",
                    action="member-storm",
                    pbx=self.pbx,
                    interface=interface,
                )

    def _ask(self, command: Command) -> bool:
        try:
            self._commands.put_nowait(command)
        except asyncio.QueueFull:
            return False
        return True

    def tick(self) -> None:
        """Once a second: what depends on time, and a second look at everything, so that a view mends itself."""
        line = self._world.lines[self.pbx]
        if line.link is LinkState.UP:
            self._decide()
        self._recorder.sample(self.now())
        if line.link is LinkState.UP:
            self._recorder.heard(self.now() - max(0.0, time.monotonic() - self._link.last_heard))
            for call in line.state.calls.values():
                if call.caller_token and self._is_to_be_asked(call):
                    self._lookup.ask(Question(call.call_id, call.caller_token))
            self._views.refresh_all(self.now())
        self._views.show_line(line, self._as_of())
        self._views.board.flush()

    def _is_to_be_asked(self, call: LiveCall) -> bool:
        """Again: there was no room, or no answer."""
        if call.call_id not in self._world.known:
            return call.stage is not Stage.ENDED
        return call.call_id in self._world.outdated and call.stage not in (Stage.ENDED, Stage.TALKING)

    def _as_of(self) -> float:
        """Up to when the view is true: multiples of five seconds while the link is up, so that it rarely changes."""
        heard = self.now() - max(0.0, time.monotonic() - self._link.last_heard)
        return heard - heard % 5 if self._link.connected else heard

    # --- beside it

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.tick()
            except Exception:
                _log.exception("a tick failed", action="tick-failed", pbx=self.pbx)

    async def _heartbeat(self) -> None:
        """While it comes, the dialplan leaves overflow to us: it comes only while we decide.

        Of a line that is not up nothing is decided, whatever the connection says.
        """
        line = self._world.lines[self.pbx]
        while True:
            up = self._link.connected and line.link is LinkState.UP
            if up and time.monotonic() - self._decided_at < DECIDED_WITHIN_SECONDS:
                try:
                    await self._link.send(Heartbeat(pbx=self.pbx), timeout=HEARTBEAT_SECONDS)
                    self.heartbeat_at = time.monotonic()
                except (CommandRefused, OutcomeUnknown, NotConnected) as error:
                    _log.warning("no heartbeat", action="heartbeat-failed", pbx=self.pbx, error=error.id)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _carry_out(self) -> None:
        while True:
            command = await self._commands.get()
            try:
                await self._link.send(command)
            except CommandRefused as error:
                self._refused(command, error)
            except (OutcomeUnknown, NotConnected) as error:
                _log.info("a command has no known outcome", action="command-lost", pbx=self.pbx, error=error.id)

    def _refused(self, command: Command, error: CommandRefused) -> None:
        """Usually a listener was quicker: nothing is lost, the decision may be taken again."""
        _log.info("the PBX refused a command", action="command-refused", pbx=self.pbx, error=error.id)
        if isinstance(command, WithdrawCaller):
            for call in self._world.lines[self.pbx].state.calls.values():
                if call.channel == command.channel:
                    self._world.withdrawal_failed(call.call_id)
