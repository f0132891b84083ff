"""News of the database for the pages: a contact that was opened, or changed by somebody, is shown to its listener."""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.calls.use_cases import Recorded
from service.cases import queries as case_queries
from service.cases import use_cases as cases
from service.listeners.model import account_of
from service.push.views import ListenerContact, Views
from service.store.engine import Store
from service.world import World

_log = structlog.get_logger(__name__)


class Announcer:
    """Reads what was committed and shows it. A failure here loses no data: the next refresh of the page asks again."""

    def __init__(self, store: Store, world: World, views: Views) -> None:
        self._store = store
        self._world = world
        self._views = views

    async def recorded(self, recorded: Recorded) -> None:
        """After a commit of the recorder: new contacts, and contacts whose call ended."""
        changed = {contact.contact_id for contact in self._views.contacts.values() if contact.call_id in recorded.ended}
        try:
            async with self._store.reading() as session:
                for account_id, contact_id in recorded.contacts:
                    await self._show(session, account_id, contact_id)
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

    async def resume(self) -> list[int]:
        """After a connection: who talks or still writes gets their contact back on the page.

        Gives the accounts that were in contact when we last knew, and are not any more.
        """
        left: list[int] = []
        async with self._store.reading() as session:
            for account_id in list(self._world.people):
                if account_id in self._views.contacts:
                    continue
                contact_id = await case_queries.current_contact_of(session, account_id)
                if contact_id is not None and not await self._show(session, account_id, contact_id):
                    left.append(account_id)
        self._views.board.flush()
        return left

    async def _show(self, session: AsyncSession, account_id: int, contact_id: int) -> bool:
        state = await cases.contact_state(session, contact_id)
        if state is None or not self._is_current(account_id, state.call_id):
            return False
        view = state.model_dump(mode="json")
        self._views.set_contact(account_id, ListenerContact(contact_id, state.call_id, view))
        return True

    async def _show_again(self, session: AsyncSession, contact_id: int) -> None:
        for account_id, contact in list(self._views.contacts.items()):
            if contact.contact_id == contact_id:
                await self._show(session, account_id, contact_id)

    def _is_current(self, account_id: int, call_id: str) -> bool:
        """A contact read from the journal long after is nobody's current one."""
        found = self._world.find_call(call_id)
        if found is not None and account_of(found[1].listener) == account_id:
            return True
        return self._world.writing(account_id)
