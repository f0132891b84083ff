"""The running service: starts its parts in order, stops them in the other, and leaves the PBX and its calls alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from aiohttp import web

from pbx.link import PbxLink
from service.audit.anchors import Anchors
from service.calls.announce import Announcer
from service.calls.books_check import BooksCheck
from service.calls.purging import JournalPurge
from service.calls.recorder import Recorder
from service.drift import DriftWatch
from service.health.watch import Watch
from service.http.keys import Change, KnownChanged, SessionEnded
from service.listeners.departures import Departures
from service.live import Live
from service.provisioning import Provisioning
from service.pump import Pump
from service.push.views import iso
from service.queues.wishes import Wishes
from service.settings import Settings
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.world import LinkState

#: pages are told the time this often, so that they notice a service that died
PAGE_TICK_SECONDS: Final = 2.0
#: requests that are being answered, facts that are being stored, and offers on their way to the trail may finish
SHUTDOWN_SECONDS: Final = 3.0
#: changes by people that may wait to be shown; one that finds no room is shown with the next
CHANGES_LIMIT: Final = 1000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PbxParts:
    """What one PBX needs."""

    link: PbxLink
    pump: Pump
    recorder: Recorder
    provisioning: Provisioning
    purge: JournalPurge
    books: BooksCheck
    drift: DriftWatch


@dataclass(slots=True)
class Service:
    """Everything, wired by `app.build`. `run()` until `stop()`."""

    settings: Settings
    store: Store
    live: Live
    announcer: Announcer
    keys: KeyWatch
    departures: Departures
    anchors: Anchors
    wishes: Wishes
    watch: Watch
    pbxs: list[PbxParts] = field(default_factory=list)
    app: web.Application = field(default_factory=web.Application)
    ssl_context: ssl.SSLContext | None = None
    _changes: asyncio.Queue[int] = field(default_factory=lambda: asyncio.Queue(CHANGES_LIMIT))
    _returned: asyncio.Event = field(default_factory=asyncio.Event)
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop()`. A part that fails ends the service with its error: its supervisor starts it anew.

        `ready` is called once, when the pages can be asked for and every PBX was reached and has what it needs.
        """
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            http = self.settings.http
            await web.TCPSite(runner, http.host, http.port, ssl_context=self.ssl_context).start()
            tasks = [asyncio.create_task(part, name=name) for name, part in self._parts()]
            stopping = asyncio.create_task(self._stopping.wait(), name="stop")
            telling = asyncio.create_task(self._tell(ready), name="ready")
            try:
                await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                telling.cancel()
                self.live.board.dismiss_all()
                await self._wind_down(tasks)
        finally:
            await runner.cleanup()
            await self.store.close()

    def answering(self) -> bool:
        """Whether every PBX is connected."""
        return all(line.link is LinkState.UP for line in self.live.world.lines.values())

    async def _tell(self, ready: Callable[[], None] | None) -> None:
        await self._up.wait()
        for parts in self.pbxs:  # a call before that would come without its number
            await parts.provisioning.done.wait()
        if ready is not None:
            ready()

    def stop(self) -> None:
        """Stop the service. The PBX and its calls go on."""
        self._stopping.set()

    def publish(self, change: Change) -> None:
        """Hook of the web side, after a commit; must not block."""
        if isinstance(change, SessionEnded):
            self.live.board.dismiss(change.session_id)
            return
        if isinstance(change, KnownChanged):
            self.live.views.look_again(change.shielded)
        if not self._changes.full():
            self._changes.put_nowait(change.contact_id)

    def connected(self, pbx: str) -> None:
        """A PBX is there (again)."""
        for parts in self.pbxs:
            if parts.link.config.pbx == pbx:
                parts.provisioning.connected()
        self._returned.set()
        if self.answering():
            self._up.set()

    def _parts(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        parts: list[tuple[str, Coroutine[Any, Any, None]]] = [
            ("keys", self.keys.run()),
            ("departures", self.departures.run()),
            ("anchors", self.anchors.run()),
            ("watch", self.watch.run()),
            ("lookup", self.live.lookup.run()),
            ("changes", self._show_changes()),
            ("returned", self._show_after_return()),
            ("page-tick", self._page_tick()),
        ]
        for pbx in self.pbxs:
            name = pbx.link.config.pbx
            parts.append((f"recorder-{name}", pbx.recorder.run()))
            parts.append((f"provisioning-{name}", pbx.provisioning.run()))
            parts.append((f"purge-{name}", pbx.purge.run()))
            parts.append((f"books-{name}", pbx.books.run()))
            parts.append((f"drift-{name}", pbx.drift.run()))
            parts.append((f"pump-{name}", pbx.pump.run()))
            parts.append((f"link-{name}", pbx.link.run()))
        return parts

    async def _wind_down(self, tasks: list[asyncio.Task[None]]) -> None:
        """Links first, so that no new fact comes; then what was heard and shown is stored; then the rest."""
        failed = [task for task in tasks if task.done() and not task.cancelled() and task.exception() is not None]
        for pbx in self.pbxs:
            await pbx.link.close()
        for pbx in self.pbxs:
            try:
                await asyncio.wait_for(pbx.recorder.settled(), SHUTDOWN_SECONDS)
            except TimeoutError:
                _log.warning("facts are left to the journal", action="stop-unsettled", batches=pbx.recorder.behind)
        await self.live.lookup.settled(SHUTDOWN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in failed:
            error = task.exception()
            if error is not None:
                _log.error("a part of the service failed", action="part-failed", part=task.get_name(), exc_info=error)
                raise error

    async def _show_changes(self) -> None:
        while True:
            await self.announcer.changed(await self._changes.get())

    async def _show_after_return(self) -> None:
        """After a connection: listeners who talk or write get their contact back on the page."""
        while True:
            await self._returned.wait()
            self._returned.clear()
            try:
                await self.announcer.resume(self.live.end_writing)
            except Exception:
                _log.exception("contacts could not be shown again", action="resume-failed")
                await asyncio.sleep(1.0)
                self._returned.set()

    async def _page_tick(self) -> None:
        while True:
            self.live.board.tick(str(iso(datetime.now(UTC).timestamp())))
            await asyncio.sleep(PAGE_TICK_SECONDS)
