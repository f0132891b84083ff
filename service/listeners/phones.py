"""The listeners' phones as the PBX knows them: a generated file, replaced whole, then a reload.

A phone goes with its session, but never in the middle of a call: it stays until the call is over, so that a leg that is
lost meanwhile can come back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import structlog

from pbx.commands import ReloadPhones
from pbx.layout import Layout
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, PbxLink
from pbx.phones import PhoneAccount, write_accounts
from service.accounts.use_cases import endpoint_of, phone_accounts, phone_holders, phones_were_asked
from service.keys import Keyring
from service.live import unreachable
from service.store.engine import Store

_log = structlog.get_logger(__name__)


class Phones:
    """Writes the accounts of one PBX. Many sign-ins at once share one write and one reload.

    `in_call`: accounts whose phone is in a call now.
    """

    def __init__(
        self, store: Store, keyring: Keyring, link: PbxLink, layout: Layout, in_call: Callable[[], Collection[int]]
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._link = link
        self._layout = layout
        self._in_call = in_call
        self._holders: dict[int, int] = {}  #: account → session, as the PBX has it
        self.moved: Callable[[Mapping[int, int]], None] = lambda _holders: None  #: told of them
        self._lock = asyncio.Lock()
        self._asked = 0
        self._done = 0
        self._known: dict[str, str] = {}

    async def ensure(self, endpoint: str, password: str) -> None:
        """The PBX knows this phone. A page that reloads costs nothing. Unavailable if it could not be told."""
        if self._known.get(endpoint) != password:
            await self.synchronise()

    async def synchronise(self) -> None:
        """The PBX knows all accounts that are committed now. Unavailable if it could not be told."""
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._done >= mine:
                return
            covered = self._asked
            async with self._store.reading() as session:
                accounts = await phone_accounts(session, self._keyring, datetime.now(UTC), in_call=self._in_call())
                anything = bool(accounts) or await phones_were_asked(session)
            if anything:
                phones = [PhoneAccount(account.endpoint, account.password) for account in accounts] or [_nobodys()]
                await asyncio.to_thread(write_accounts, self._layout.phones, phones)
                self._known = {}
                await self._reload()
                self._known = {phone.endpoint: phone.password for phone in phones}
            self._holders = {account.account_id: account.session_id for account in accounts}
            self.moved(self._holders)
            self._done = covered

    async def stale(self) -> bool:
        """Whether the PBX knows a phone whose session ended, or not one that it should."""
        if not self._done:
            return False
        async with self._store.reading() as session:
            return await phone_holders(session, datetime.now(UTC), self._in_call()) != self._holders

    async def _reload(self) -> None:
        try:
            await self._link.send(ReloadPhones(pbx=self._link.config.pbx), timeout=10.0)
        except (CommandRefused, NotConnected, OutcomeUnknown) as error:
            _log.warning("phones could not be reloaded", action="reload-phones-failed", error=error.id)
            raise unreachable() from error


def _nobodys() -> PhoneAccount:
    """Where the last phone went: the file is never written empty (pbx/phones.py), and account 0 is nobody's."""
    return PhoneAccount(endpoint_of(0), secrets.token_urlsafe(24))
