"""What a PBX must know without the service: phones, caller key, centres' queues and routes. Kept the same as ours.

One worker per PBX, beside the pipeline: woken at each connection, and looking again from time to time.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, PbxLink
from service.calls.caller_keys import CallerKeys
from service.centres.use_cases import load_routes, synchronise_routes
from service.errors import ServiceError
from service.listeners.phones import Phones
from service.store.engine import Store
from service.world import World

#: directory and key are looked at this often
LOOK_SECONDS: Final = 60.0
#: after a failure
RETRY_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class Provisioning:
    """Of one PBX."""

    def __init__(
        self, store: Store, world: World, link: PbxLink, layout: Layout, *, phones: Phones, keys: CallerKeys
    ) -> None:
        self.phones = phones
        self._store = store
        self._world = world
        self._link = link
        self._layout = layout
        self._keys = keys
        self._wake = asyncio.Event()
        self._fresh = False
        #: set while the PBX has all that it needs
        self.done = asyncio.Event()
        #: held while it is being told
        self.at_work = asyncio.Lock()

    def connected(self) -> None:
        """The PBX is there (again): it may have lost what it knew."""
        self._fresh = True
        self.done.clear()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            pause = LOOK_SECONDS
            if self._link.connected:
                try:
                    async with self.at_work:
                        await self._synchronise()
                except (CommandRefused, NotConnected, OutcomeUnknown, ServiceError, SetupError) as error:
                    _log.warning("the PBX is not up to date", action="provisioning-failed", error=error.id)
                    pause = RETRY_SECONDS
                except Exception:
                    _log.exception("the PBX is not up to date", action="provisioning-failed")
                    pause = RETRY_SECONDS
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue
            self._wake.clear()

    async def _synchronise(self) -> None:
        """The caller's key first: without it the next call would be anonymous."""
        fresh = self._fresh
        if self._keys.due:
            await self._keys.rotate()
        elif fresh:
            await self._keys.hand_over()
        async with self._store.reading() as session:
            routes = await load_routes(session)
        changed = routes != self._world.routes
        self._world.routes = routes
        if fresh or changed:
            await synchronise_routes(self._link, self._layout, routes)
        if fresh:
            await self.phones.synchronise()
            self._fresh = False
        self.done.set()
