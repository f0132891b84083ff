"""The listeners' phones as the PBX knows them: a generated file, replaced whole, then a reload."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from pbx.commands import ReloadPhones
from pbx.layout import Layout
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, PbxLink
from pbx.phones import PhoneAccount, write_accounts
from service.accounts.use_cases import phone_accounts
from service.keys import Keyring
from service.live import unreachable
from service.store.engine import Store

_log = structlog.get_logger(__name__)


class Phones:
    """Writes the accounts of one PBX. Many sign-ins at once share one write and one reload."""

    def __init__(self, store: Store, keyring: Keyring, link: PbxLink, layout: Layout) -> None:
        self._store = store
        self._keyring = keyring
        self._link = link
        self._layout = layout
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
                accounts = await phone_accounts(session, self._keyring, datetime.now(UTC))
            if accounts:
                phones = [PhoneAccount(account.endpoint, account.password) for account in accounts]
                await asyncio.to_thread(write_accounts, self._layout.phones, phones)
                self._known = {}
                await self._reload()
                self._known = {phone.endpoint: phone.password for phone in phones}
            self._done = covered

    async def _reload(self) -> None:
        try:
            await self._link.send(ReloadPhones(pbx=self._link.config.pbx), timeout=10.0)
        except (CommandRefused, NotConnected, OutcomeUnknown) as error:
            _log.warning("phones could not be reloaded", action="reload-phones-failed", error=error.id)
            raise unreachable() from error
