"""The key with which a PBX encrypts callers' numbers: new each day, past ones kept by us alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from pbx.commands import PutRoute
from pbx.link import PbxLink
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from service.store.secrets import current_caller_key, rotate_caller_key

ROTATE_AFTER: Final = timedelta(days=1)
_log = structlog.get_logger(__name__)


class CallerKeys:
    """Of one PBX."""

    def __init__(self, store: Store, keyring: Keyring, ring: CallerKeyRing, link: PbxLink) -> None:
        self._store = store
        self._keyring = keyring
        self._ring = ring
        self._link = link
        self._current: tuple[str, str] | None = None
        self._made_at: datetime | None = None  #: of the current key
        self._handed_over = False  #: the current key

    @property
    def due(self) -> bool:
        """Is it time for a new key, or has the PBX not got the current one yet?"""
        return not self._handed_over or self._is_old(self._made_at)

    def as_handed_over(self) -> dict[str, str]:
        """What AstDB should hold in the family `line`; empty while the PBX got no key."""
        if self._current is None or not self._handed_over:
            return {}
        key_id, key = self._current
        return {"caller_key": key, "caller_key_id": key_id}

    async def rotate(self) -> None:
        """Committed here before the PBX gets it: no number is ever encrypted with a key that we do not have.

        Raises what `link.send` raises; then the old key stays in use, and this may be called again: it hands over the
        same key. After a start the stored key goes on until it is a day old.
        """
        if self._current is None:
            await self._recall()
        if self._current is None or (self._handed_over and self._is_old(self._made_at)):
            await self._renew()
        await self.hand_over()

    async def _recall(self) -> None:
        async with self._store.reading() as session:
            stored = await current_caller_key(session, self._keyring, self._link.config.pbx)
        if stored is None or self._is_old(stored[2]):
            return
        key_id, key, self._made_at = stored
        self._ring.add(key_id, key)
        self._current = (key_id, key)

    async def _renew(self) -> None:
        pbx, now = self._link.config.pbx, datetime.now(UTC)
        async with self._store.transaction() as session:
            made = await rotate_caller_key(session, self._keyring, self._ring, pbx=pbx, at=now)
        self._current, self._made_at, self._handed_over = made, now, False
        _log.info("a new caller key was made", action="caller-key-rotated", pbx=pbx)

    def _is_old(self, made_at: datetime | None) -> bool:
        return made_at is None or datetime.now(UTC) - made_at >= ROTATE_AFTER

    async def hand_over(self) -> None:
        """The PBX gets the current key (again: a PBX that crashed may have lost it). Raises what `link.send` raises."""
        if self._current is None:
            return
        key_id, key = self._current
        pbx = self._link.config.pbx
        await self._link.send(PutRoute(pbx=pbx, family="line", key="caller_key", value=key))
        await self._link.send(PutRoute(pbx=pbx, family="line", key="caller_key_id", value=key_id))
        self._handed_over = True
