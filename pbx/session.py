"""One login at the manager interface: from the connection to its end, and never a second time.

A subclass of panoramisk's Manager that keeps its account and its way to make a protocol, and replaces what
docs/ami-session.md lists: a login has a deadline and a refusal is an error; every action has a deadline; on a drop
what waits fails with "outcome unknown" and is not sent again; a half-open connection is noticed; `close` closes.
Reconnecting is the link's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from panoramisk import Manager
from panoramisk.actions import Action as WireAction

from pbx import actions, parse
from pbx.actions import Action
from pbx.errors import START_AGAIN
from pbx.parse import Answer, Settled
from pbx.protocol import EventStream, PbxProtocol, Pending
from pbx.replies import CommandRefused, NotConnected, OutcomeUnknown

log = logging.getLogger(__name__)


def tell_refused(pbx: str, account: str) -> None:
    """In the log, once per streak of refusals."""
    log.error(
        "The PBX %s refused the account %s: the secret in secrets.json is not the PBX's own. Put the right file back, "
        "it is read again every minute; or %s: it starts with that file's secret",
        pbx,
        account,
        START_AGAIN,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. A dead connection is noticed within `dead_after` and one `look_every` of its last byte: 3 s.

    `connect` and `retry_most` together are how long a PBX may be back before it is tried again: boards are to be right
    5 s after it is.
    """

    connect: float = 2.0
    login: float = 5.0
    boot: float = 5.0  #: how long to wait for Asterisk to have loaded its modules
    action: float = 5.0
    listing: float = 10.0
    phones: float = 0.5  #: the snapshot waits so long for their list, which is taken in whenever it comes
    ping_every: float = 1.0
    dead_after: float = 2.7
    look_every: float = 0.25
    retry_first: float = 0.2
    retry_most: float = 2.0
    refused_again: float = 60.0  #: a secret is guessed at such a pace by nobody
    steady: float = 5.0  #: a session that held so long was no failure
    check_queues_every: float = 10.0
    provision_idle: float = 10.0


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


class LoginFailed(Exception):
    """No session came about. `reason`: kebab-case id."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LoginRefused(LoginFailed):
    """Asterisk does not accept the account or its secret, or the secret cannot even be sent.

    Until either is changed, asking again changes nothing.
    """

    def __init__(self) -> None:
        super().__init__("refused")


def _login(username: str, secret: str, *, events: bool) -> Action:
    """Made before the connection. Raises LoginRefused: no PBX has a secret that cannot be sent."""
    try:
        return actions.login(username, secret, events=events)
    except CommandRefused as error:
        raise LoginRefused from error


class Session(Manager):  # type: ignore[misc]  # panoramisk ships no types
    """`stream`: where events go. `clock`: our guess of the PBX's clock. `on_clock`: told what it says, give or take."""

    protocol: PbxProtocol | None

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str,
        secret: str,
        events: bool,
        stream: EventStream,
        clock: Callable[[], float],
        on_clock: Callable[[float, float], None] = lambda _clock, _vague: None,
        timing: Timing | None = None,
        protocol: Callable[[EventStream, Callable[[], float]], PbxProtocol] = PbxProtocol,
    ) -> None:
        super().__init__(
            host=host,
            port=port,
            username=username,
            secret=secret,
            events=events,
            protocol_factory=lambda: protocol(stream, clock),
        )
        self.timing = timing or Timing()
        self._on_clock = on_clock

    async def open(self) -> PbxProtocol:
        """Connect and log in. Raises LoginFailed, or LoginRefused."""
        loop = asyncio.get_running_loop()
        account = _login(self.config["username"], self.config["secret"], events=self.config["events"])
        try:
            async with asyncio.timeout(self.timing.connect):
                make: Callable[[], PbxProtocol] = self.config["protocol_factory"]
                _, protocol = await loop.create_connection(make, self.config["host"], self.config["port"])
        except (OSError, TimeoutError) as error:
            raise LoginFailed("unreachable") from error
        self.protocol = protocol
        try:
            answer, _ = await self.ask(account, self.timing.login)
        except (OutcomeUnknown, NotConnected) as error:  # on uvloop it may have ended before we could ask
            reason = protocol.lost.result() if protocol.lost.done() else "no-answer-to-login"
            protocol.end(reason)
            raise LoginFailed(reason) from error
        except BaseException:
            protocol.end("closed")
            raise
        if not answer.success:
            protocol.end("refused")
            if answer.message == actions.WRONG_CREDENTIALS:
                raise LoginRefused
            raise LoginFailed("login-not-accepted")  # for the moment, perhaps: another login holds the account
        return protocol

    async def ask(self, action: Action, deadline: float, settled: Settled | None = None) -> tuple[Answer, list[str]]:
        """Send once; the answer and, for a list, its events. Raises NotConnected or OutcomeUnknown.

        `settled` is called at the answer's place in the stream of events.
        """
        protocol = self.protocol
        if protocol is None or protocol.lost.done():
            raise NotConnected("no session with the PBX")
        pending = Pending(as_list=action.as_list, settled=settled)
        action_id = protocol.submit(WireAction({**action.fields, "ActionID": action.new_id()}), pending)
        try:
            async with asyncio.timeout(deadline):
                return await pending.future
        except TimeoutError as error:
            raise OutcomeUnknown("the deadline passed before the answer") from error
        finally:
            protocol.forget(action_id)

    async def keep_alive(self) -> None:
        """Ping every second; end the session when nothing comes back."""
        protocol, timing = self.protocol, self.timing
        assert protocol is not None  # noqa: S101 - called after open
        asked: asyncio.Task[None] | None = None
        asked_at = 0.0
        while not protocol.lost.done():
            now = time.monotonic()
            waiting = asked is not None and not asked.done()
            if protocol.paused:
                asked_at = now  # we do not read: nothing can be said about the other side
            elif (now - protocol.last_byte > timing.dead_after) or (waiting and now - asked_at > timing.dead_after):
                protocol.end("no-answer")
            elif not waiting and now - asked_at >= timing.ping_every:
                asked, asked_at = asyncio.create_task(self.ping()), now
            await asyncio.sleep(timing.look_every)

    async def ping(self) -> None:
        """Wakes the session, so that no event is held back, and tells the PBX's clock."""
        sent = time.monotonic()
        with contextlib.suppress(OutcomeUnknown, NotConnected):
            answer, _ = await self.ask(actions.ping(), self.timing.action)
            there = parse.pong_time(answer)
            if there is not None:
                vague = (time.monotonic() - sent) / 2
                self._on_clock(there + vague, vague)

    async def goodbye(self) -> None:
        """Log off and close."""
        protocol = self.protocol
        if protocol is None or protocol.lost.done():
            return
        with contextlib.suppress(OutcomeUnknown, NotConnected):
            await self.ask(actions.logoff(), 1.0)
        protocol.end("closed")

    def close(self) -> None:
        """End at once."""
        if self.protocol is not None:
            self.protocol.end("closed")
