"""The PBX is held against what it should be, from its return on and while it runs; what differs is mended and counted.

Few and cheap questions, every LOOK_SECONDS. What is found is asked again a second later, so that something in the
middle of a change is none: found and mended within ten seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from pbx import conf, site
from pbx.commands import ReadDialplan, ReadQueues, ReadRoutes
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, PbxLink
from service.accounts import queries as accounts
from service.calls.caller_keys import CallerKeys
from service.decisions import drift as decisions
from service.decisions.drift import Drift, DriftKind, Members, Pause
from service.listeners.model import RECONNECTING, WRAP_UP, ListenerState
from service.live import Live
from service.provisioning import Provisioning
from service.queues.model import NATIONAL_QUEUE
from service.queues.wishes import Wishes
from service.store.engine import Store

LOOK_SECONDS: Final = 8.0
#: what is found must still be so after this
AGAIN_SECONDS: Final = 1.0
#: a word younger than this may be on its way to the PBX
ON_ITS_WAY: Final = timedelta(seconds=3)

_APPLICATION: Final = re.compile(r"^(?:exten => s,1| same => n(?:\([a-z]+\))?),(\w+\(.*\))$", re.MULTILINE)
_log = structlog.get_logger(__name__)


class DriftWatch:
    """Of one PBX. `found`: differences by kind, since the service started."""

    def __init__(
        self,
        store: Store,
        live: Live,
        link: PbxLink,
        layout: Layout,
        *,
        keys: CallerKeys,
        provisioning: Provisioning,
        wishes: Wishes,
    ) -> None:
        self.pbx = link.config.pbx
        self.found: Counter[str] = Counter()
        self._store = store
        self._live = live
        self._link = link
        self._layout = layout
        self._keys = keys
        self._provisioning = provisioning
        self._wishes = wishes
        self._pauses: dict[int, Pause] = {}  #: as they were last seen
        self._unspoken: set[tuple[int, str]] = set()  #: of the last look

    async def run(self) -> None:
        """Until cancelled. What fails is tried again."""
        while True:
            if self._link.connected and self._provisioning.done.is_set():
                try:
                    await self.look()
                except (CommandRefused, NotConnected, OutcomeUnknown) as error:
                    _log.info("the PBX could not be looked at", action="drift-unseen", pbx=self.pbx, error=error.id)
                except Exception:  # a database that is away: no reason to end the service
                    _log.exception("the PBX could not be looked at", action="drift-unseen", pbx=self.pbx)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> list[Drift]:
        """Find what differs twice, and mend it. Raises what `link.send` raises, and the database's errors."""
        await self._wishes.keep()
        suspects = set(await self._differences())
        if not suspects:
            return []
        await asyncio.sleep(AGAIN_SECONDS)
        async with self._provisioning.at_work:  # no edit of the directory comes in between
            certain = [drift for drift in await self._differences() if drift in suspects]
            for drift in certain:
                await self._mend(drift)
        return certain

    async def _differences(self) -> list[Drift]:
        there = (await self._link.send(ReadQueues(pbx=self.pbx))).queues
        return [*await self.sign_ins(there), *await self._values(), *self._queues(there), *await self._hours()]

    # --- sign-ins

    async def sign_ins(self, there: Members) -> list[Drift]:
        """Of memberships and pauses. `there`: as just read. Raises the database's errors."""
        said = await self._wishes.all()
        await self._adopt(decisions.unspoken(said, there))
        gone = await self._not_to_be_rung({account for (account, _), (on, _) in said.items() if on})
        for account in gone:
            if await self._not_to_be_rung({account}):  # asked again: the one before may have taken seconds to store
                await self._wishes.leave(account)  # back by signing in, not by being let in again
        now = datetime.now(UTC)
        own = {NATIONAL_QUEUE, *self._live.world.routes.queues()}
        wishes = {
            key: wanted
            for key, (wanted, at) in said.items()
            if abs(now - at) > ON_ITS_WAY and key[0] not in gone and key[1] in own  # abs: a clock may be set back
        }
        self._pauses = decisions.remembered(self._pauses, there, self._busy({account for account, _ in said}))
        return list(decisions.members(self.pbx, wishes, there, self._pauses))

    async def _not_to_be_rung(self, found: set[int]) -> set[int]:
        async with self._store.reading() as session:
            return await accounts.not_to_be_rung(session, found)

    def forget_wrapup(self, account_id: int) -> None:
        """They ended it in no queue: whoever is let in again then is free. A pause of their own choice holds."""
        if self._pauses.get(account_id, Pause()).reason in (WRAP_UP, RECONNECTING):
            del self._pauses[account_id]

    async def _adopt(self, unspoken: set[tuple[int, str]]) -> None:
        """Of whom nothing is said in two looks: between the reading of members and of words, somebody may leave."""
        lasting = unspoken & self._unspoken
        self._unspoken = unspoken
        if not lasting:
            return
        async with self._store.reading() as session:
            known = await accounts.display_names(session)
        for account, queue in lasting:
            if account in known and await self._wishes.adopt(account, queue):
                _log.info(
                    "a listener signed in by other means", action="sign-in-adopted", pbx=self.pbx, account_id=account
                )

    def _busy(self, listeners: set[int]) -> set[int]:
        """Who is not to be rung now. Also whom a call rings: they may answer before they are let in again."""
        world = self._live.world
        indexes = world.indexes()
        talking = {one for one in listeners if world.doing(one, indexes).state is ListenerState.TALKING}
        return talking | world.accounts_in_call() | set(self._live.views.contacts)

    # --- what the PBX got from us

    async def _values(self) -> list[Drift]:
        found: list[Drift] = []
        for family, wanted in self._live.world.routes.entries().items():
            there = (await self._link.send(ReadRoutes(pbx=self.pbx, family=family))).values
            found += decisions.values(self.pbx, DriftKind.ROUTE, family, wanted, there, strangers=True)
        line = (await self._link.send(ReadRoutes(pbx=self.pbx, family="line"))).values
        key = self._keys.as_handed_over()
        found += decisions.values(self.pbx, DriftKind.CALLER_KEY, "line", key, line, strangers=False)
        return found

    def _queues(self, there: Members) -> list[Drift]:
        wanted = self._live.world.routes.queues()
        body, file = site.centre_queues_body(wanted), self._layout.centre_queues
        as_written = file.exists() and file.read_text() == conf.HEADER + body
        return list(decisions.queues(self.pbx, [NATIONAL_QUEUE, *wanted], there, as_written=as_written))

    async def _hours(self) -> list[Drift]:
        """As the PBX was started; other hours in the settings wait for its next start, like all of them."""
        body = site.hours_as_started(self._layout)
        if body is None:
            return []
        file = self._layout.generated / "hours.conf"
        as_written = file.exists() and file.read_text() == conf.HEADER + body
        try:
            loaded = (await self._link.send(ReadDialplan(pbx=self.pbx, context="hours"))).lines
        except CommandRefused:  # there is no such context any more: the line is always open
            loaded = ()
        return list(decisions.hours(self.pbx, _APPLICATION.findall(body), loaded, as_written=as_written))

    # --- the mend

    async def _mend(self, drift: Drift) -> None:
        self.found[drift.kind.value] += 1
        try:
            if drift.kind is DriftKind.QUEUE:
                site.write_centre_queues(self._layout, self._live.world.routes.queues())
            elif drift.kind is DriftKind.HOURS:
                conf.write(self._layout.generated / "hours.conf", site.hours_as_started(self._layout) or "")
            for command in drift.mend:
                await self._link.send(command)
        except (CommandRefused, NotConnected, OutcomeUnknown, SetupError, OSError) as error:
            _log.error(
                "the PBX is not as it should be, and could not be mended: tried again",
                action="drift-stays",
                pbx=self.pbx,
                what=drift.kind.value,
                detail=drift.subject,
                error=getattr(error, "id", type(error).__name__),
            )
        else:
            _log.warning(
                "the PBX was not as it should be: mended",
                action="drift-mended",
                pbx=self.pbx,
                what=drift.kind.value,
                detail=drift.subject,
            )
