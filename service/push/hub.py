"""The board of live entities and its readers. No I/O: a reader's socket is written in `socket.py`.

An entity is encoded once per audience, when it changes; a reader's frame is put together from such pieces.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from service.push.audiences import EVERYBODY, Audience, Kind, audience_of

#: pieces that may wait for one reader; one that is further behind is told to fetch again
READER_LIMIT = 512

Value = Mapping[str, Any]
_Key = tuple[Kind, str]
_encode = msgspec.json.Encoder().encode


class Reader:
    """One page's socket, as the board sees it: bounded, never waited for."""

    def __init__(self, audiences: Iterable[Audience], account_id: int, session_id: int) -> None:
        self.audiences = tuple(audiences)
        self.account_id = account_id
        self.session_id = session_id
        self.behind = False
        self.dismissed = False
        self.ready = asyncio.Event()
        self._pieces: deque[bytes] = deque()
        self._at: str | None = None

    def put(self, pieces: bytes) -> None:
        """Hand over encoded entities, comma separated; from the limit on the reader is behind, for good."""
        if self.behind:
            return
        if len(self._pieces) >= READER_LIMIT:
            self.behind = True
            self._pieces.clear()
        else:
            self._pieces.append(pieces)
        self.ready.set()

    def take(self) -> bytes:
        """All that waits, comma separated; empty for nothing."""
        pieces = b",".join(self._pieces)
        self._pieces.clear()
        if not self.behind and not self.dismissed and self._at is None:
            self.ready.clear()
        return pieces

    def put_tick(self, at: str) -> None:
        """The service lives and it is `at`. A newer tick replaces one that was not sent."""
        self._at = at
        self.ready.set()

    def take_tick(self) -> str | None:
        """The tick that waits, if any."""
        at, self._at = self._at, None
        return at

    def dismiss(self) -> None:
        """The session ended: the socket is to be closed."""
        self.dismissed = True
        self.ready.set()


class Board:
    """What is shown now, and who reads it. Single-threaded: belongs to the event loop."""

    def __init__(self) -> None:
        self._values: dict[Audience, dict[_Key, Value]] = {}
        self._encoded: dict[Audience, dict[_Key, bytes]] = {}
        self._pending: dict[Audience, list[bytes]] = {}
        self._readers: dict[Audience, set[Reader]] = {}
        self._all: set[Reader] = set()

    # --- what is shown

    def show(self, kind: Kind, id: str, value: Value, account_id: int | None = None) -> None:
        """The entity is as `value` now. The same value again is nothing new."""
        audience = audience_of(kind, account_id)
        values = self._values.setdefault(audience, {})
        key = (kind, id)
        if values.get(key) == value:
            return
        piece = _encode({"kind": kind, "id": id, "value": value})
        values[key] = value
        self._encoded.setdefault(audience, {})[key] = piece
        self._pending.setdefault(audience, []).append(piece)

    def remove(self, kind: Kind, id: str, account_id: int | None = None) -> None:
        """The entity is gone."""
        audience = audience_of(kind, account_id)
        key = (kind, id)
        if self._values.get(audience, {}).pop(key, None) is None:
            return
        del self._encoded[audience][key]
        self._pending.setdefault(audience, []).append(_encode({"kind": kind, "id": id, "value": None}))

    def ids(self, kind: Kind, account_id: int | None = None) -> list[str]:
        """Ids of the entities of a kind that are shown."""
        shown = self._values.get(audience_of(kind, account_id), {})
        return [id for shown_kind, id in shown if shown_kind is kind]

    def value(self, kind: Kind, id: str, account_id: int | None = None) -> Value | None:
        """The entity as it is shown, or None."""
        return self._values.get(audience_of(kind, account_id), {}).get((kind, id))

    def flush(self) -> None:
        """Hand what changed since the last time to the readers: one piece per audience."""
        if not self._pending:
            return
        for audience, pieces in self._pending.items():
            readers = self._readers.get(audience)
            if readers:
                joined = b",".join(pieces)
                for reader in readers:
                    reader.put(joined)
        self._pending = {}

    def tick(self, at: str) -> None:
        """Tell all readers the time, so that they can tell a calm line from a dead service."""
        for reader in self._all:
            reader.put_tick(at)

    # --- who reads

    def join(self, reader: Reader) -> bytes:
        """A new reader; gives the encoded entities of its snapshot, comma separated. Every later change follows."""
        self.flush()
        pieces: list[bytes] = []
        for audience in reader.audiences:
            self._readers.setdefault(audience, set()).add(reader)
            pieces.extend(self._encoded.get(audience, {}).values())
        self._all.add(reader)
        return b",".join(pieces)

    def leave(self, reader: Reader) -> None:
        """The socket is closed."""
        self._all.discard(reader)
        for audience in reader.audiences:
            readers = self._readers.get(audience, set())
            readers.discard(reader)
            if not readers and audience != EVERYBODY:
                self._readers.pop(audience, None)

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._all)

    def readers_of(self, account_id: int) -> int:
        """How many pages this account has open."""
        return sum(reader.account_id == account_id for reader in self._all)

    def sessions(self) -> set[int]:
        """Sessions that have a page open."""
        return {reader.session_id for reader in self._all}

    def dismiss(self, session_id: int) -> None:
        """A session ended: its pages are closed."""
        for reader in self._all:
            if reader.session_id == session_id:
                reader.dismiss()

    def dismiss_all(self) -> None:
        """The service stops: pages connect again by themselves."""
        for reader in self._all:
            reader.dismiss()
