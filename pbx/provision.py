"""The provisioning login: opened when it is needed, closed when it was idle for a while. It hears no events.

Refused once, it is not tried again: who asks is told so at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pbx.actions import Account, Action
from pbx.parse import Answer
from pbx.replies import NotConnected, OutcomeUnknown
from pbx.session import LoginFailed, LoginRefused, Session

log = logging.getLogger(__name__)


class Provisioning:
    """`new_session` makes an unopened session for an account."""

    def __init__(self, new_session: Callable[[Account], Session], idle_seconds: float) -> None:
        self._new_session = new_session
        self._idle_seconds = idle_seconds
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._refused = False

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
                if self._refused:
                    raise NotConnected("the provisioning account: refused")
                session = self._new_session(Account.PROVISION)
                try:
                    await session.open()
                except LoginFailed as error:
                    self._refused = isinstance(error, LoginRefused)
                    if self._refused:
                        log.error(  # noqa: TRY400 - a traceback would say nothing more
                            "The PBX refused the provisioning account: its secret is not the PBX's own. "
                            "Not tried again: `ecoute down`, then `ecoute up`, write both anew"
                        )
                    raise NotConnected(f"the provisioning account: {error.reason}") from error
                self._session = session
            return session

    def _close_when_idle(self) -> None:
        if self._closer is not None:
            self._closer.cancel()
        self._closer = asyncio.get_running_loop().call_later(self._idle_seconds, self._close_now)

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
