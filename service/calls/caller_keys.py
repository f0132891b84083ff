"""The key with which a PBX encrypts callers' numbers: new at each start and each day, past ones kept by us alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from pbx.commands import PutRoute
from pbx.link import PbxLink
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from service.store.secrets import rotate_caller_key

ROTATE_AFTER: Final = timedelta(days=1)
_log = structlog.get_logger(__name__)


class CallerKeys:
    """Of one PBX."""

    def __init__(self, store: Store, keyring: Keyring, ring: CallerKeyRing, link: PbxLink) -> None:
        self._store = store
        self._keyring = keyring
        self._ring = ring
        self._link = link
        self._rotated_at: datetime | None = None
        self._current: tuple[str, str] | None = None

    @property
    def due(self) -> bool:
        """Is it time for a new key?"""
        return self._rotated_at is None or datetime.now(UTC) - self._rotated_at >= ROTATE_AFTER

    async def rotate(self) -> None:
        """Committed here before the PBX gets it: no number is ever encrypted with a key that we do not have.

        Raises what `link.send` raises; then the old key stays in use, and this may be called again.
        """
        pbx, now = self._link.config.pbx, datetime.now(UTC)
        async with self._store.transaction() as session:
            key_id, key = await rotate_caller_key(session, self._keyring, self._ring, pbx=pbx, at=now)
        self._current = (key_id, key)
        await self.hand_over()
        self._rotated_at = now
        _log.info("caller key rotated", action="caller-key-rotated", pbx=pbx)

    async def hand_over(self) -> None:
        """The PBX gets the current key (again: a PBX that crashed may have lost it). Raises what `link.send` raises."""
        if self._current is None:
            return
        key_id, key = self._current
        pbx = self._link.config.pbx
        await self._link.send(PutRoute(pbx=pbx, family="line", key="caller_key", value=key))
        await self._link.send(PutRoute(pbx=pbx, family="line", key="caller_key_id", value=key_id))
