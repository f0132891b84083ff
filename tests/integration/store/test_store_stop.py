"""The service is stopped while offers that were shown wait for the audit trail: none of them is lost unsaid."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.accounts.rights import Role
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.keys import Keyring
from service.live import Live
from service.push.audiences import EVERYBODY
from service.push.hub import Reader
from service.running import Service
from service.settings import from_values
from service.store.engine import Store
from tests.integration.rights.house import quiet_line
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.test_store_lookup import shown_on_the_trail
from tests.support.free_ports import free_port
from tests.support.tasks import end
from tests.unit.service_live.live_line import known
from tests.unit.service_live.live_pages import Inbox

SOMETHING = Act(action=Action.NOTES_SAVED, subject="contact", subject_id=1)


class QuietService(Service):
    """Only callers are looked up."""

    def _parts(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        return [("lookup", self.live.lookup.run())]


def service_of(store: Store, live: Live) -> Service:
    nothing: Any = None
    return QuietService(
        settings=from_values(http={"port": free_port()}),
        store=store,
        live=live,
        announcer=nothing,
        keys=nothing,
        departures=nothing,
        anchors=nothing,
        wishes=nothing,
        watch=nothing,
    )


async def test_what_was_shown_is_on_the_trail_once_the_service_has_stopped(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = (await hire("lise", Role.LISTENER)).account_id
    live = quiet_line(store, keyring)
    page = Reader([EVERYBODY], lise, 1)
    live.board.join(page, Inbox())
    service = service_of(store, live)
    running = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(10):
            async with store.transaction() as session:  # somebody holds the trail
                await append(session, keyring, [SOMETHING], account_id=lise, at=NOW)
                for _ in range(3):
                    live.lookup.shown(lise, known(1))
                service.stop()
                while not page.dismissed:
                    await asyncio.sleep(0.01)
            await running
    finally:
        await end(running)
    assert await shown_on_the_trail(store) == 3


async def test_what_the_trail_does_not_take_in_time_is_told_by_account(
    store: Store, keyring: Keyring, hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.calls.lookup.AUDITS_AT_ONCE", 1)
    lise, omar = [(await hire(name, Role.LISTENER)).account_id for name in ("lise", "omar")]
    lookup = quiet_line(store, keyring).lookup
    running = asyncio.create_task(lookup.run())
    async with store.transaction() as session:
        await append(session, keyring, [SOMETHING], account_id=lise, at=NOW)
        for account_id in (omar, lise, omar):
            lookup.shown(account_id, known(1))
        try:
            with capture_logs() as said:
                await lookup.settled(0.2)
        finally:
            await end(running)
    assert [line["account_id"] for line in said if line["action"] == "audit-lost"] == [lise, omar]
    assert await shown_on_the_trail(store) == 0
