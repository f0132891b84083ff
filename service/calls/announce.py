"""News of the database for the pages: a contact that was opened, or changed by somebody, is shown to its listener."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.use_cases import Recorded
from service.cases import queries as case_queries
from service.cases import use_cases as cases
from service.push.views import ListenerContact, Views
from service.store.engine import Store
from service.world import LinkState, World

_log = structlog.get_logger(__name__)


class Endings(dict[int, datetime]):
    """Account → when they ended a writing-up, while it is not stored. `said`: the last of each, stored or not."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[int, datetime] = {}

    def __setitem__(self, account_id: int, at: datetime) -> None:
        self.said[account_id] = at
        super().__setitem__(account_id, at)


class Announcer:
    """Reads what was committed and shows it. A failure here loses no data: the next refresh of the page asks again.

    `ending`: of the recorders.
    """

    def __init__(self, store: Store, world: World, views: Views) -> None:
        self._store = store
        self._world = world
        self._views = views
        self.ending = Endings()

    async def recorded(self, recorded: Recorded) -> None:
        """After a commit of the recorder: new contacts, and contacts whose call ended."""
        changed = {contact.contact_id for contact in self._views.contacts.values() if contact.call_id in recorded.ended}
        try:
            for account_id in {account_id for account_id, _ in recorded.contacts}:
                if not self._world.is_done(account_id):  # after a gap, many answers are of contacts long over
                    await self._show_current(account_id)
            async with self._store.reading() as session:
                for contact_id in changed:
                    await self._show_again(session, contact_id)
        except Exception:
            _log.exception("a contact could not be shown", action="announce-failed")
        self._views.board.flush()

    async def changed(self, contact_id: int) -> None:
        """Somebody changed the contact or its case."""
        try:
            async with self._store.reading() as session:
                await self._show_again(session, contact_id)
        except Exception:
            _log.exception("a contact could not be shown", action="announce-failed")
        self._views.board.flush()

    async def resume(self, over: Callable[[int], None]) -> None:
        """After a connection: who talks or still writes gets their contact back on the page.

        `over`: told of each account that was in contact when we last knew, and is not any more; at once, so that what
        they answer from then on is theirs. While a PBX is away nobody is such a one: they may talk or write there.
        """
        for account_id, contact in list(self._views.contacts.items()):
            if not self._is_current(account_id, contact.call_id):  # they took the next caller, unheard
                self._views.drop_contact(account_id)
        for account_id in list(self._world.people):
            if account_id in self._views.contacts or await self._show_current(account_id) is None:
                continue
            reached = all(line.link is LinkState.UP for line in self._world.lines.values())
            if reached and self._world.is_done(account_id):
                over(account_id)
        self._views.board.flush()

    async def _show_current(self, account_id: int) -> int | None:
        """The contact that the listener is in, by the database; on their page, if the PBXs say nothing else.

        In a session of its own: SQLite shows one session all the while what was when it began to read, also a contact
        whose end is stored, and out of `ending`, since.
        """
        ended, said = self.ending.get(account_id), self.ending.said.get(account_id)
        async with self._store.reading() as session:
            contact_id = await case_queries.current_contact_of(session, account_id, joined_after=ended)
            state = None if contact_id is None else await cases.contact_state(session, contact_id)
        if contact_id is None or self.ending.said.get(account_id) != said:  # meanwhile: what was read is from before
            return None
        if state is not None and self._is_current(account_id, state.call_id):
            view = state.model_dump(mode="json")
            self._views.set_contact(account_id, ListenerContact(contact_id, state.call_id, view))
        return contact_id

    async def _show_again(self, session: AsyncSession, contact_id: int) -> None:
        state = await cases.contact_state(session, contact_id)
        for account_id, contact in list(self._views.contacts.items()):
            if state is not None and contact.contact_id == contact_id:
                view = state.model_dump(mode="json")
                self._views.set_contact(account_id, ListenerContact(contact_id, state.call_id, view))

    def _is_current(self, account_id: int, call_id: str) -> bool:
        """While they have a caller, that caller's contact alone: the last that is stored may be of the one before."""
        theirs = self._world.calls_of(account_id)
        return call_id in theirs if theirs else not self._world.is_done(account_id)
