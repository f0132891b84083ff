"""Each process of the service says which master keys it has, and seals with the one that the store names.

So a rotation, run by another process, knows when a new key can be used; and a process that was told of one has it
before it meets a value sealed with it.
"""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import delete, select

from service.keys import Keyring, KeysError
from service.keys.ring import key_id
from service.store.engine import Store
from service.store.model import KeyHolder, MasterKeyMark
from service.store.rotation import DEAD_AFTER
from service.store.sql import insert_once

#: the mark is read this often
LOOK_SECONDS: Final = 2.0
#: and this often a process says that it is there, if nothing changed: so it also learns whether the store still stores
SAY_SECONDS: Final = 1.5

_log = structlog.get_logger(__name__)


class KeyWatch:
    """Of one process, over its keyring."""

    def __init__(self, store: Store, keyring: Keyring, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._keyring = keyring
        self._look_seconds = look_seconds
        self._process = str(uuid.uuid4())
        self._said: tuple[str, ...] = ()
        self._said_at = 0.0  #: monotonic
        self._lacks: dict[str, str] = {}  #: fingerprint → what is wrong, said once
        #: the store's last word, when it did not take what was said; None: it did
        self.refused: Exception | None = None

    @property
    def written_at(self) -> float:
        """`time.monotonic()` of the last time that the store stored what this process said; 0: never yet."""
        return self._said_at

    @property
    def lacking(self) -> tuple[str, ...]:
        """Files of master keys that the store speaks of, and that this process cannot read."""
        return tuple(sorted(f"master-{key_id(fingerprint)}.key" for fingerprint in self._lacks))

    async def run(self) -> None:
        """Until cancelled; then this process is waited for no longer."""
        try:
            while True:
                try:
                    await self.look()
                except Exception as error:
                    self.refused = error
                    _log.warning(
                        "the store did not say which master key is in use",
                        action="keys-unseen",
                        error=type(error).__name__,
                    )
                await asyncio.sleep(self._look_seconds)
        finally:
            await self._leave()

    async def look(self) -> None:
        """Learn what the store says of keys, and say what this process has: also when it lacks one.

        A process that is silent counts as absent, and a key that it cannot read would be switched to.
        """
        async with self._store.reading() as session:
            mark = await session.get_one(MasterKeyMark, 1)
        spoken_of = {mark.fingerprint, mark.next_fingerprint}
        self._lacks = {lacked: wrong for lacked, wrong in self._lacks.items() if lacked in spoken_of}
        if mark.next_fingerprint is not None:
            self._learn(mark.next_fingerprint)
        if self._learn(mark.fingerprint) and self._keyring.fingerprint != mark.fingerprint:
            self._keyring.seal_with(mark.fingerprint)
            _log.info("another master key seals from now on", action="keys-switched")
        known = self._keyring.known
        if known != self._said or time.monotonic() - self._said_at >= SAY_SECONDS:
            await self._say(known)
            self._said, self._said_at, self.refused = known, time.monotonic(), None

    def _learn(self, fingerprint: str) -> bool:
        """A file that cannot be read, or not yet, is one that this process lacks."""
        try:
            found = self._keyring.knows(fingerprint)
            wrong = "master-key-missing"
        except KeysError as error:
            found, wrong = False, error.id
        except OSError:
            found, wrong = False, "master-key-unreadable"
        if found:
            self._lacks.pop(fingerprint, None)
        elif self._lacks.get(fingerprint) != wrong:
            self._lacks[fingerprint] = wrong
            _log.error(
                "this machine lacks a master key that the store speaks of: copy it into the secrets directory, "
                "readable by the service alone",
                action="keys-missing",
                error_id=wrong,
                detail=f"master-{key_id(fingerprint)}.key",
            )
        return found

    async def _say(self, known: tuple[str, ...]) -> None:
        now, knows = datetime.now(UTC), " ".join(known)
        values = {
            "process": self._process,
            "machine": socket.gethostname()[:255],
            "knows": knows,
            "seals_with": known[0],
            "seen_at": now,
        }
        async with self._store.transaction() as session:
            if not await insert_once(session, KeyHolder, [values], keys=["process"]):
                row = (await session.scalars(select(KeyHolder).where(KeyHolder.process == self._process))).one()
                row.knows, row.seals_with, row.seen_at = knows, known[0], now
            await session.execute(delete(KeyHolder).where(KeyHolder.seen_at < now - DEAD_AFTER))

    async def _leave(self) -> None:
        try:
            async with self._store.transaction() as session:
                await session.execute(delete(KeyHolder).where(KeyHolder.process == self._process))
        except Exception as error:
            _log.warning("this process could not be signed off", action="keys-leave", error=type(error).__name__)
