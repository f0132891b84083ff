"""The provisioning login: opened when it is needed, closed when it was idle for a while. It hears no events.

Refused, it is tried again slowly: who asks meanwhile is told so at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pbx.actions import Account, Action
from pbx.parse import Answer
from pbx.replies import NotConnected, OutcomeUnknown
from pbx.session import LoginFailed, LoginRefused, Session, Timing, tell_refused


class Provisioning:
    """Of one PBX. `new_session` makes an unopened session for an account; `read_secrets`: they may be others by now."""

    def __init__(
        self, pbx: str, new_session: Callable[[Account], Session], timing: Timing, read_secrets: Callable[[], None]
    ) -> None:
        self._pbx = pbx
        self._new_session = new_session
        self._timing = timing
        self._read_secrets = read_secrets
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._refused_at: float | None = None  #: `time.monotonic()` of the last refusal, until a login is accepted

    async def ask(self, action: Action, deadline: float) -> tuple[Answer, list[str]]:
        """As `Session.ask`; a session that did not answer in time is not used again."""
        session = await self._opened()
        try:
            return await session.ask(action, deadline)
        except OutcomeUnknown:
            session.close()
            raise
        finally:
            self._close_when_idle()

    async def _opened(self) -> Session:
        async with self._lock:
            if self._closer is not None:
                self._closer.cancel()
            session = self._session
            if session is None or session.protocol is None or session.protocol.lost.done():
                session = self._session = await self._logged_in()
            return session

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
        if self._closer is not None:
            self._closer.cancel()
        session, self._session = self._session, None
        if session is not None:
            await session.goodbye()
