"""The provisioning login: opened when it is needed, closed when it was idle for a while. It hears no events.

Refused, it is tried again slowly: who asks meanwhile is told so at once. Who asks while a login is under way waits for
that one, within their own deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from pbx import actions
from pbx.actions import Account, Action
from pbx.parse import Answer, Settled
from pbx.replies import CommandFailed, NotConnected, OutcomeUnknown
from pbx.session import LoginFailed, LoginRefused, Session, Timing, tell_refused

log = logging.getLogger(__name__)


class Provisioning:
    """Of one PBX. `new_session` makes an unopened session for an account; `read_secrets`: they may be others by now."""

    def __init__(
        self, pbx: str, new_session: Callable[[Account], Session], timing: Timing, read_secrets: Callable[[], None]
    ) -> None:
        self._pbx = pbx
        self._new_session = new_session
        self._timing = timing
        self._read_secrets = read_secrets
        self._session: Session | None = None
        self._opening: asyncio.Task[Session] | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._refused_at: float | None = None  #: `time.monotonic()` of the last refusal, until a login is accepted

    async def ask(self, action: Action, deadline: float) -> tuple[Answer, list[str]]:
        """As `Session.ask`, and the login within the same deadline; a session that did not answer is not used again."""
        clock = asyncio.get_running_loop().time
        until = clock() + deadline
        try:
            async with asyncio.timeout_at(until):
                session = await self._opened()
        except TimeoutError as error:
            raise NotConnected("the provisioning account: the deadline passed before the login") from error
        try:
            return await session.ask(action, until - clock())
        except OutcomeUnknown:
            session.close()
            raise
        finally:
            self._close_when_idle()

    @contextlib.asynccontextmanager
    async def listing_phones(self, take: Settled) -> AsyncIterator[None]:
        """Meanwhile their contacts are asked for, until there is an answer for `take`. It begins with that, or without.

        Boards must not wait for an account that has no part in calls.
        """
        tried = asyncio.Event()
        asking = asyncio.create_task(self._list_phones(take, tried))
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(tried.wait(), self._timing.phones)
            yield
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _list_phones(self, take: Settled, tried: asyncio.Event) -> None:
        while True:
            try:
                answer, items = await self.ask(actions.list_contacts(), self._timing.listing)
                return take(answer, items)
            except CommandFailed as error:
                if not tried.is_set():
                    log.warning("the phones of PBX %s could not be listed: %s", self._pbx, error)
            finally:
                tried.set()
            await asyncio.sleep(self._timing.check_queues_every)

    async def _opened(self) -> Session:
        """One login for all who ask meanwhile: how it ends, each of them hears at once."""
        session = self._session
        if session is not None and session.protocol is not None and not session.protocol.lost.done():
            return session
        opening = self._opening
        if opening is None or opening.done():
            opening = self._opening = asyncio.create_task(self._logged_in())
            opening.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait for it
        await asyncio.wait({opening})
        if opening.cancelled():
            raise NotConnected("the provisioning account: closed")
        return opening.result()

    async def _logged_in(self) -> Session:
        refused_at = self._refused_at
        if refused_at is not None:
            if time.monotonic() - refused_at < self._timing.refused_again:
                raise NotConnected("the provisioning account: refused")
            self._read_secrets()
        session = self._new_session(Account.PROVISION)
        try:
            await session.open()
        except LoginFailed as error:
            if isinstance(error, LoginRefused):
                self._refused_at = time.monotonic()
                if refused_at is None:
                    tell_refused(self._pbx, "provision")
            raise NotConnected(f"the provisioning account: {error.reason}") from error
        self._refused_at = None
        self._session = session
        self._close_when_idle()
        return session

    def _close_when_idle(self) -> None:
        if self._closer is not None:
            self._closer.cancel()
        self._closer = asyncio.get_running_loop().call_later(self._timing.provision_idle, self._close_now)

    def _close_now(self) -> None:
        session, self._session = self._session, None
        if session is None or session.protocol is None:
            return
        if session.protocol.pending:
            self._session = session
            self._close_when_idle()
        else:
            session.close()

    async def close(self) -> None:
        """Log off."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        if self._closer is not None:
            self._closer.cancel()
        session, self._session = self._session, None
        if session is not None:
            await session.goodbye()
