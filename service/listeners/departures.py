"""What must end here because a session or an account ended elsewhere: by the command line, or another process.

Pages are closed, queues left, phones forgotten by the PBX. A conversation that goes on goes on: leaving a queue does
not touch it, its phone stays known until it is over (phones.py), and its page and notes until its listener ends them
(accounts/kept.py). A page whose session may do more or less than when it was opened is closed too: it opens again by
itself, and is told what it may be told now.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog

from pbx.commands import RemoveMember
from service.accounts import kept, sessions
from service.accounts import queries as accounts
from service.errors import ServiceError
from service.keys import Keyring
from service.listeners.model import account_of, interface_of
from service.listeners.phones import Phones
from service.live import Live
from service.store.engine import Store
from service.world import Line, LinkState

#: what ended elsewhere has its effect here within this
LOOK_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)


class Departures:
    """Looks from time to time. `phones`: of each PBX."""

    def __init__(self, store: Store, keyring: Keyring, live: Live) -> None:
        self.phones: list[Phones] = []
        self._store = store
        self._keyring = keyring
        self._live = live

    async def run(self) -> None:
        """Until cancelled. What fails is tried again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for part in (self.leave_queues, self.release, self.close_pages, self.forget_phones):
                try:
                    await part()
                except ServiceError as error:
                    _log.info("what ended elsewhere goes on here for now", action="departure-delayed", error=error.id)
                except Exception:  # a full disk, a database that is away: no reason to end the service
                    _log.exception("what ended elsewhere goes on here for now", action="departure-delayed")

    async def close_pages(self) -> None:
        """Of sessions that ended, or may do more or less than before."""
        shown = self._live.board.sessions()
        if not shown:
            return
        async with self._store.reading() as session:
            held = await sessions.standings(session, {session_id for session_id, _ in shown}, datetime.now(UTC))
        for session_id in {session_id for session_id, standing in shown if held.get(session_id) is not standing}:
            self._live.board.dismiss(session_id)

    async def release(self) -> None:
        """What was kept for a contact that is over. Not while a PBX is away: somebody may be on a call there."""
        lines = self._live.world.lines.values()
        if any(line.link is not LinkState.UP for line in lines):
            return
        async with self._store.reading() as session:
            if not await accounts.sessions_of_ended_accounts(session):
                return
        async with self._store.transaction() as session:
            in_call = self._live.world.accounts_in_call()
            await kept.release(session, self._keyring, in_call, datetime.now(UTC))

    async def leave_queues(self) -> None:
        """Nobody rings accounts that ended, lack a second step that is asked of them, or whose phone went with its
        session. When they are back they say so themselves.
        """
        for line in self._live.world.lines.values():
            members = {account for account in map(account_of, line.state.members) if account is not None}
            if line.link is not LinkState.UP or not members:
                continue
            for account in await self._not_to_be_rung(members):
                await self._leave(line, account)

    async def _leave(self, line: Line, account: int) -> None:
        """Asked again before each step, as each may wait for seconds: who is back meanwhile stays, with their word."""
        if await self._not_to_be_rung({account}):
            await self._live.leave_queues(account)
        interface = interface_of(account)
        member = line.state.members.get(interface)
        for queue in sorted(member.queues) if member is not None else []:
            if await self._not_to_be_rung({account}):
                await self._remove(RemoveMember(pbx=line.pbx, queue=queue, interface=interface))

    async def _not_to_be_rung(self, found: set[int]) -> set[int]:
        async with self._store.reading() as session:
            return await accounts.not_to_be_rung(session, found)

    async def _remove(self, command: RemoveMember) -> None:
        """A refusal is about this one alone: the others are not to be rung either."""
        try:
            await self._live.send(command)
        except ServiceError as error:
            _log.info(
                "somebody who left is still in a queue: tried again",
                action="departure-delayed",
                pbx=command.pbx,
                queue=command.queue,
                interface=command.interface,
                error=error.id,
            )

    async def forget_phones(self) -> None:
        """Of sessions that ended, once their call is over."""
        for phones in self.phones:
            if await phones.stale():
                await phones.synchronise()
