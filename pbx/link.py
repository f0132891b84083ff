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
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pbx import actions, parse
from pbx.actions import Account, Action
from pbx.commands import Command, ReadRoutes
from pbx.events import (
    ContactsListed,
    Event,
    LegsListed,
    MembersListed,
    SessionBegan,
    SessionLost,
    SessionRefused,
    SnapshotTaken,
)
from pbx.facts import Fact
from pbx.parse import Answer
from pbx.protocol import EventStream, PbxProtocol
from pbx.provision import Provisioning
from pbx.replies import CommandFailed, CommandRefused, NotConnected, OutcomeUnknown, Reply
from pbx.session import LoginFailed, LoginRefused, Session, Timing
from pbx.state import PbxState

__all__ = ["CommandRefused", "LinkConfig", "NotConnected", "OutcomeUnknown", "PbxLink", "Reply", "Timing"]

log = logging.getLogger(__name__)

#: Events handed on at once: enough to be cheap, few enough that the loop breathes.
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """Where the PBX's manager interface is, and our two accounts there (`provision` may write AstDB and reload)."""

    pbx: str
    host: str
    port: int
    username: str
    secret: str
    provision_username: str
    provision_secret: str


class PbxLink:
    """One PBX. `run()` holds the connection until `close()`; one consumer reads `batches()`."""

    def __init__(self, config: LinkConfig, timing: Timing | None = None) -> None:
        self.config = config
        self.timing = timing or Timing()
        self.state = PbxState(config.pbx)
        self.clock_offset = 0.0  #: the PBX's clock minus ours, seconds
        self.connected = False  #: logged in, and the snapshot is taken
        self._heard = time.monotonic()
        self._stream = EventStream()
        self._session: Session | None = None
        self._provisioning = Provisioning(self._new_session, self.timing.provision_idle)
        self._closing = asyncio.Event()
        self._said = ""
        self._failed_events = 0

    @property
    def last_heard(self) -> float:
        """`time.monotonic()` of the last byte from the PBX."""
        session = self._session
        if session is not None and session.protocol is not None:
            self._heard = session.protocol.last_byte
        return self._heard

    @property
    def failed(self) -> int:
        """Frames and events that could not be read so far: 0, unless Asterisk says what we do not understand."""
        session = self._session
        frames = session.protocol.failed_frames if session is not None and session.protocol is not None else 0
        return frames + self._failed_events

    def pbx_now(self) -> float:
        """Epoch seconds on the PBX's clock, as far as we know it."""
        return time.time() + self.clock_offset

    # --- the connection ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again, until `close()`: soon after a drop, slowly after refused credentials."""
        failures = 0
        try:
            while not self._closing.is_set():
                try:
                    held = await self._one_session()
                    failures = 0 if held > self.timing.steady else failures + 1
                    wait = self._backoff(failures)
                except LoginRefused:
                    self._say("refused", SessionRefused(at=self.pbx_now()))
                    log.error(  # noqa: TRY400 - a traceback would say nothing more
                        "The PBX %s refused the account %s: the secret in secrets.json is not the PBX's own. "
                        "`ecoute down`, then `ecoute up`, write both anew",
                        self.config.pbx,
                        self.config.username,
                    )
                    wait = self.timing.retry_refused
                except LoginFailed as error:
                    failures += 1
                    self._say("lost", SessionLost(at=self.pbx_now(), reason=error.reason))
                    wait = self._backoff(failures)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), wait)
        finally:
            self._closing.set()
            await self._provisioning.close()
            self._stream.wake.set()

    def _backoff(self, failures: int) -> float:
        longest = min(self.timing.retry_most, self.timing.retry_first * 2.0 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnections, guards nothing

    def _say(self, what: str, event: Event) -> None:
        """Tell a change of the connection once, however often it is tried."""
        if self._said != what:
            self._said = what
            self._stream.put(event)

    async def _one_session(self) -> float:
        """A session from login to its end. Returns how long it held, in seconds."""
        session = self._new_session(Account.SERVICE)
        protocol = await session.open()
        opened = time.monotonic()
        self._session = session
        work = asyncio.create_task(self._work(session, protocol))
        alive = asyncio.create_task(session.keep_alive())
        closing = asyncio.create_task(self._closing.wait())
        ends: set[asyncio.Future[Any]] = {protocol.lost, closing}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                await session.goodbye()
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

    def _new_session(self, account: Account) -> Session:
        service = account is Account.SERVICE
        return Session(
            host=self.config.host,
            port=self.config.port,
            username=self.config.username if service else self.config.provision_username,
            secret=self.config.secret if service else self.config.provision_secret,
            events=service,
            stream=self._stream if service else EventStream(),
            clock=self.pbx_now,
            on_clock=self._set_clock,
            timing=self.timing,
        )

    def _set_clock(self, offset: float) -> None:
        self.clock_offset = offset

    # --- the snapshot -----------------------------------------------------------------------------------------------

    async def _work(self, session: Session, protocol: PbxProtocol) -> None:
        """Take the snapshot, then compare the queues from time to time. What fails ends the session."""
        try:
            await self._snapshot(session, protocol)
            while True:
                await asyncio.sleep(self.timing.check_queues_every)
                await self._list_members(session, checking=True)
        except CommandFailed as error:
            log.warning("the PBX %s did not answer as it should: %s", self.config.pbx, error)
            protocol.end("snapshot-failed" if not self.connected else error.id)
        except Exception:
            log.exception("the snapshot of PBX %s could not be taken", self.config.pbx)
            protocol.end("snapshot-failed")

    async def _snapshot(self, session: Session, protocol: PbxProtocol) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(protocol.booted), self.timing.boot)
        await session.ping()  # the clock first: times that we must guess are guessed on the PBX's clock
        settings = await self._asked(session, actions.core_settings())

        def began(answer: Answer, _items: list[str]) -> None:
            protocol.muted = False
            self._stream.put(
                SessionBegan(at=self.pbx_now(), started=parse.started(answer), version=parse.version(settings))
            )

        def legs(answer: Answer, items: list[str]) -> None:
            if answer.success:
                found = tuple(leg for leg in map(parse.leg_listed, items) if leg is not None)
                self._stream.put(LegsListed(at=self.pbx_now(), legs=found))

        await self._asked(session, actions.core_status(), began)
        await self._asked(session, actions.list_legs(), legs)
        await self._list_members(session, checking=False)
        await self._list_contacts()
        self._said = ""
        self.connected = True
        self._stream.put(SnapshotTaken(at=self.pbx_now()))

    async def _asked(self, session: Session, action: Action, settled: parse.Settled | None = None) -> Answer:
        answer, _ = await session.ask(action, self.timing.listing, settled)
        if not answer.success:
            raise actions.refusal(answer.message)
        return answer

    async def _list_members(self, session: Session, *, checking: bool) -> None:
        def members(answer: Answer, items: list[str]) -> None:
            if answer.success:
                now = self.pbx_now()
                found = (parse.member_listed(item, now) for item in items)
                seen = tuple(member for member in found if member is not None)
                self._stream.put(MembersListed(at=now, members=seen, checking=checking))

        await self._asked(session, actions.list_members(), members)

    async def _list_contacts(self) -> None:
        """Over the other account. Without it phones are known as soon as they say something."""
        try:
            _, items = await self._provisioning.ask(actions.list_contacts(), self.timing.listing)
        except CommandFailed as error:
            log.warning("the phones of PBX %s could not be listed: %s", self.config.pbx, error)
            return
        now = self.pbx_now()
        found = (parse.contact_listed(item, now) for item in items)
        self._stream.put(ContactsListed(at=now, contacts=tuple(contact for contact in found if contact is not None)))

    # --- facts ------------------------------------------------------------------------------------------------------

    async def batches(self) -> AsyncIterator[list[Fact]]:
        """Facts in order, as they come; `state` already contains them when they are handed out. Ends by `close()`."""
        stream = self._stream
        while True:
            if not stream.events:
                if self._closing.is_set() and self._session is None:
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
        for _ in range(min(BATCH, len(events))):
            event = events.popleft()
            try:
                facts += apply(event)
            except Exception:
                self._failed_events += 1
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
        if isinstance(command, ReadRoutes):
            routes = (parse.route_listed(item, command.family) for item in items)
            return Reply(answer.message, dict(route for route in routes if route is not None))
        return Reply(answer.message)

    async def close(self) -> None:
        """Log off; `run` and `batches` end."""
        self._closing.set()
        self._stream.wake.set()
