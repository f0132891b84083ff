"""The way to one PBX: facts come out, commands go in.

Two logins: the service's, which hears the events, and the provisioning one, which is opened when it is needed and hears
none. After each login a snapshot is taken and compared with what was known; it goes through the same ordered stream as
the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

from pbx import actions, parse, parse_lists
from pbx.actions import Account, Action
from pbx.commands import Command, ReadDialplan, ReadQueues, ReadRoutes
from pbx.errors import SetupError
from pbx.events import Event, SessionLost, SessionRefused
from pbx.facts import Fact
from pbx.odd import Odd, OddCounts, Tally
from pbx.parse import Answer
from pbx.protocol import EventStream, PbxProtocol
from pbx.provision import Provisioning
from pbx.recording import RecordedProtocol, Recording
from pbx.replies import CommandFailed, CommandRefused, ListNotWhole, NotConnected, OutcomeUnknown, Reply
from pbx.session import LinkConfig, LoginFailed, LoginRefused, Session, Timing, tell_refused
from pbx.snapshot import Snapshot
from pbx.state import PbxState
from pbx.steady import SteadyClock, this_boot

__all__ = ["CommandRefused", "LinkConfig", "NotConnected", "OutcomeUnknown", "PbxLink", "Reply", "Timing"]

log = logging.getLogger(__name__)

#: Events handed on at once: enough to be cheap, few enough that the loop breathes.
BATCH = 500


def backoff(failures: int, timing: Timing, draw: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: half to the whole of a time that doubles, so that many services do not come at once.

    `failures`: tries in a row that led to no lasting session. `draw`: 0 to 1.
    """
    longest = min(timing.retry_most, timing.retry_first * 2.0 ** min(failures, 16))
    return longest * (0.5 + draw() / 2)


class PbxLink:
    """One PBX. `run()` holds the connection until `close()`; one consumer reads `batches()`.

    `record`: a file to which the service's sessions are recorded (pbx/recording.py); SetupError where it cannot be.
    `reread`: the configuration as it is then, asked for after our credentials were refused.
    """

    def __init__(
        self,
        config: LinkConfig,
        timing: Timing | None = None,
        *,
        record: Path | None = None,
        reread: Callable[[], LinkConfig] | None = None,
    ) -> None:
        self.config = config
        self._reread = reread
        self.timing = timing or Timing()
        self.state = PbxState(config.pbx)
        self.clock_offset = 0.0  #: the PBX's clock minus ours, seconds
        self.steady = SteadyClock()
        self._clock_told = ""
        self._clock_refused = False  #: in this session, and said
        self._telling: asyncio.Task[None] | None = None
        self.connected = False  #: logged in, and the snapshot is taken
        self.sessions = 0  #: how often a snapshot was taken: once, and once more after each gap
        self.events_taken = 0  #: events that were of use and went through the trackers
        self._recording = None if record is None else Recording(record)
        self._heard = time.monotonic()
        self._tally = Tally(config.pbx)
        self._stream = EventStream(self._tally)
        self._session: Session | None = None
        self._provisioning = Provisioning(config.pbx, self._new_session, self.timing, self._read_secrets)
        self._closing = asyncio.Event()
        self._running = False
        self._said = ""

    @property
    def last_heard(self) -> float:
        """`time.monotonic()` of the last byte from the PBX."""
        session = self._session
        if session is not None and session.protocol is not None:
            self._heard = session.protocol.last_byte
        return self._heard

    @property
    def odd(self) -> OddCounts:
        """What came from the PBX and was of no use, since the link was made."""
        return self._tally.counts

    @property
    def events_waiting(self) -> int:
        """Events that came and were not taken yet."""
        return len(self._stream.events)

    def pbx_now(self) -> float:
        """Epoch seconds on the PBX's clock as far as we know it, without what it was set by: what facts go by."""
        return self.steady.now()

    # --- the connection ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again, until `close()`. Refused credentials are tried again slowly, and read anew."""
        failures = 0
        self._running = True
        try:
            while not self._closing.is_set():
                try:
                    held = await self._one_session()
                    failures = 0 if held > self.timing.steady else failures + 1
                except LoginRefused:
                    if self._say("refused", SessionRefused(at=self.pbx_now())):
                        tell_refused(self.config.pbx, self.config.username)
                    await self._pause(self.timing.refused_again)
                    self._read_secrets()
                    continue
                except LoginFailed as error:
                    failures += 1
                    self._say("lost", SessionLost(at=self.pbx_now(), reason=error.reason))
                except Exception:
                    failures += 1
                    log.exception("a session with PBX %s ended by a fault of ours", self.config.pbx)
                    self._say("lost", SessionLost(at=self.pbx_now(), reason="fault"))
                await self._pause(backoff(failures, self.timing))
        finally:
            self._closing.set()
            await self._provisioning.close()
            if self._recording is not None:
                self._recording.close()
            self._running = False
            self._stream.wake.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _say(self, what: str, event: Event) -> bool:
        """Tell a change of the connection once, however often it is tried. True when it is one."""
        if self._said == what:
            return False
        self._said = what
        self._stream.put(event)
        return True

    def _read_secrets(self) -> None:
        """Somebody may have mended them. What cannot be read leaves those that we have."""
        if self._reread is None:
            return
        try:
            self.config = self._reread()
        except (SetupError, OSError, ValueError, KeyError) as error:
            log.warning("the secrets for PBX %s could not be read again: %s", self.config.pbx, type(error).__name__)

    async def _one_session(self) -> float:
        """A session from login to its end. Returns how long it held, in seconds."""
        session = self._new_session(Account.SERVICE)
        protocol = await self._opened(session)
        if protocol is None:
            return 0.0
        opened = time.monotonic()
        self._session = session
        work = asyncio.create_task(self._work(session, protocol))
        alive = asyncio.create_task(session.keep_alive())
        closing = asyncio.create_task(self._closing.wait())
        ends: set[asyncio.Future[Any]] = {protocol.lost, closing, alive}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                await session.goodbye()
            elif not protocol.lost.done():  # nobody would notice a connection that carries nothing any more
                protocol.end("fault")
                alive.result()
        finally:
            self.connected = False
            self._heard = protocol.last_byte
            session.close()
            self._session = None
            for task in (work, alive, closing):
                task.cancel()
            await asyncio.gather(work, alive, closing, return_exceptions=True)
            self._say("lost", SessionLost(at=self.pbx_now(), reason=protocol.lost.result()))
        return time.monotonic() - opened

    async def _opened(self, session: Session) -> PbxProtocol | None:
        """The session logged in; None when `close()` came first, which need not wait for a PBX that says nothing."""
        opening, closing = asyncio.create_task(session.open()), asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({opening, closing}, return_when=asyncio.FIRST_COMPLETED)
            return opening.result() if opening.done() else None
        finally:
            opening.cancel()
            closing.cancel()
            await asyncio.gather(opening, closing, return_exceptions=True)

    def _new_session(self, account: Account) -> Session:
        service = account is Account.SERVICE
        return Session(
            host=self.config.host,
            port=self.config.port,
            username=self.config.username if service else self.config.provision_username,
            secret=self.config.secret if service else self.config.provision_secret,
            events=service,
            stream=self._stream if service else EventStream(self._tally),
            clock=self.pbx_now,
            on_clock=self._set_clock,
            timing=self.timing,
            protocol=self._protocol if service else PbxProtocol,
        )

    def _protocol(self, stream: EventStream, clock: Callable[[], float]) -> PbxProtocol:
        recording = self._recording
        protocol = PbxProtocol(stream, clock) if recording is None else RecordedProtocol(stream, clock, recording)
        protocol.corrected = self.steady.corrected
        return protocol

    # --- the clock --------------------------------------------------------------------------------------------------

    def _set_clock(self, clock: float, vague: float) -> None:
        self.clock_offset = clock - time.time()
        if self.steady.measured(clock, vague):
            log.warning(
                "the clock of PBX %s was set (%d s since its times were anchored): its calls go on by steady time",
                self.config.pbx,
                self.steady.by,
            )
        if self.steady.by and self._nobody_calls:
            self.steady.anchor_anew()
        session = self._session
        if session is not None and self.connected and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_clock(session))

    @property
    def _nobody_calls(self) -> bool:
        """Known, not merely nobody heard of: a process that has just begun knows of no call before the snapshot."""
        return self.connected and not self.events_waiting and not self.state.calls

    async def _resume_clock(self, session: Session) -> None:
        """Whoever watched this PBX before us may have anchored its times."""
        answer, _ = await session.ask(actions.read_clock_anchor(), self.timing.action)
        boot, anchor = parse.clock_anchor(answer)
        if boot == this_boot() and anchor is not None:
            self.steady.resume(anchor)
        self._clock_told, self._clock_refused = "", False

    async def _tell_clock(self, session: Session) -> None:
        """So that the dialplan takes off what the clock was set by. What fails is told with the next measurement."""
        told = f"{this_boot()} {self.steady.anchor}"
        if self.steady.anchor is None or self._clock_told == f"{told} {self.steady.by}":
            return
        by = self.steady.by
        try:
            for action in actions.tell_clock(told, by):
                answer, _ = await session.ask(action, self.timing.action)
                if not answer.success:
                    raise actions.refusal(answer.message)
        except CommandFailed as error:
            if not self._clock_refused:
                self._clock_refused = True
                log.warning("the PBX %s does not know by how much its clock was set: %s", self.config.pbx, error.id)
        else:
            self._clock_told = f"{told} {by}"

    # --- the snapshot -----------------------------------------------------------------------------------------------

    async def _work(self, session: Session, protocol: PbxProtocol) -> None:
        """Take the snapshot, then compare the queues from time to time. What fails ends the session."""
        try:
            snapshot = await self._begun(session, protocol)
            async with self._provisioning.listing_phones(partial(self._take_phones, snapshot)):
                await self._asked(session, snapshot, actions.list_members())
                while True:
                    await asyncio.sleep(self.timing.check_queues_every)
                    if not protocol.paused:  # its answer would wait behind what we do not read
                        await self._asked(session, snapshot, actions.compare_members())
        except ListNotWhole as error:
            log.warning("a list of the PBX %s is not whole (%s): not used, all is asked anew", self.config.pbx, error)
            protocol.end(error.id)
        except CommandFailed as error:
            log.warning("the PBX %s did not answer as it should: %s", self.config.pbx, error)
            protocol.end("snapshot-failed" if not self.connected else error.id)
        except Exception:
            log.exception("the snapshot of PBX %s could not be taken", self.config.pbx)
            protocol.end("snapshot-failed")

    async def _begun(self, session: Session, protocol: PbxProtocol) -> Snapshot:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(protocol.booted), self.timing.boot)
        # the clock first: times that we must guess are guessed on the PBX's clock
        await self._resume_clock(session)
        await session.ping()
        await self._tell_clock(session)
        snapshot = Snapshot(protocol, self._stream, self.pbx_now, self._complete)
        for action in (actions.core_settings(), actions.core_status(), actions.list_legs()):
            await self._asked(session, snapshot, action)
        return snapshot

    def _complete(self) -> None:
        self._said = ""
        self.connected = True
        self.sessions += 1

    async def _asked(self, session: Session, snapshot: Snapshot, action: Action) -> None:
        answer, _ = await session.ask(action, self.timing.listing, snapshot.settled(action.word))
        if not answer.success:
            raise actions.refusal(answer.message)

    def _take_phones(self, snapshot: Snapshot, answer: Answer, items: list[str]) -> None:
        """They come over the other account. Until then a phone is known as soon as it says something."""
        if self._recording is not None:
            self._recording.add_list(answer, items)
        snapshot.contacts(answer, items)

    # --- facts ------------------------------------------------------------------------------------------------------

    async def batches(self) -> AsyncIterator[list[Fact]]:
        """Facts in order, as they come; `state` already contains them when they are handed out. Ends by `close()`."""
        stream = self._stream
        while True:
            if not stream.events:
                if self._closing.is_set() and not self._running:
                    return
                await stream.wake.wait()
            facts = self._take()
            if facts:
                yield facts
            else:
                await asyncio.sleep(0)

    def _take(self) -> list[Fact]:
        events, apply = self._stream.events, self.state.apply
        facts: list[Fact] = []
        count = min(BATCH, len(events))
        self.events_taken += count
        for _ in range(count):
            event = events.popleft()
            try:
                facts += apply(event)
            except Exception:
                if self._tally.note(Odd.NOT_APPLIED):
                    log.exception("an event of kind %s could not be applied", type(event).__name__)
        self._stream.taken()
        return facts

    # --- commands ---------------------------------------------------------------------------------------------------

    async def send(self, command: Command, timeout: float = 5.0) -> Reply:  # noqa: ASYNC109 - a deadline for the PBX, not for us
        """Carry out `command` once. Raises CommandRefused, OutcomeUnknown or NotConnected; never re-sent."""
        if command.pbx != self.config.pbx:
            raise CommandRefused("wrong-pbx", f"this link leads to {self.config.pbx}")
        action = actions.of(command, self.pbx_now())
        if action.account is Account.PROVISION:
            answer, items = await self._provisioning.ask(action, timeout)
        else:
            session = self._session
            if session is None:
                raise NotConnected("no session with the PBX")
            answer, items = await session.ask(action, timeout)
        if not answer.success and answer.message != action.already:
            raise actions.refusal(answer.message)
        return _reply(command, answer, items)

    async def close(self) -> None:
        """Log off; `run` and `batches` end."""
        self._closing.set()
        self._stream.wake.set()


def _reply(command: Command, answer: Answer, items: list[str]) -> Reply:
    """What was asked for, where something was."""
    match command:
        case ReadRoutes():
            routes = (parse_lists.route_listed(item, command.family) for item in items)
            return Reply(answer.message, dict(route for route in routes if route is not None))
        case ReadQueues():
            return Reply(answer.message, queues=parse_lists.queues_listed(items))
        case ReadDialplan():
            lines = (parse_lists.dialplan_listed(item) for item in items)
            return Reply(answer.message, lines=tuple(line for line in lines if line is not None))
        case _:
            return Reply(answer.message)
