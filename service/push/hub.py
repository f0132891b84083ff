"""The board of live entities and its readers. No I/O: a page's socket is written in `socket.py`.

An entity is encoded once per audience, when it changes. Pages that see the same form a group with one numbering, so
that a frame of changes is made once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from service.accounts.viewer import Standing
from service.push.audiences import Audience, Kind, audience_of, is_own

Value = Mapping[str, Any]
_Key = tuple[Kind, str]
_encode = msgspec.json.Encoder().encode

REFETCH_FRAME: Final = b'{"type":"refetch"}'


def snapshot_frame(account_id: int, number: int, entities: bytes) -> bytes:
    """The first message. `account_id`: who reads; `number`: of the last change; `entities`: encoded."""
    return b'{"type":"snapshot","seq":%d,"account_id":%d,"entities":[' % (number, account_id) + entities + b"]}"


def changes_frame(number: int, entities: bytes) -> bytes:
    """The change after the one numbered `number - 1`."""
    return b'{"type":"changes","seq":%d,"entities":[' % number + entities + b"]}"


def tick_frame(at: str) -> bytes:
    """The service lives and it is `at`."""
    return b'{"type":"tick","at":"' + at.encode() + b'"}'


class Page(Protocol):
    """Where the messages of one page go."""

    def send(self, frame: bytes) -> bool:
        """Take a message without waiting; False, and it is not taken, when too much is unsent already."""

    def close(self, *, again: bool) -> None:
        """No message follows. `again`: the page is to connect anew; else its session has ended."""


class Reader:
    """One page's socket, as the board sees it: bounded, never waited for."""

    def __init__(
        self, audiences: Iterable[Audience], account_id: int, session_id: int, standing: Standing = Standing.FULL
    ) -> None:
        self.audiences = tuple(audiences)
        self.account_id = account_id
        self.session_id = session_id
        self.standing = standing
        self.behind = False
        self.dismissed = False
        self.page: Page | None = None  #: from `Board.join` until it fell behind, was dismissed, or left

    def put(self, frame: bytes) -> None:
        """A page that does not keep up is told to fetch again, for good."""
        if self.page is not None and not self.page.send(frame):
            self.behind = True
            self._let_go(self.page, again=True)

    def dismiss(self) -> None:
        """The session ended: the socket is to be closed."""
        self.dismissed = True
        if self.page is not None:
            self._let_go(self.page, again=False)

    def _let_go(self, page: Page, *, again: bool) -> None:
        self.page = None
        page.close(again=again)


class Group:
    """Pages that see the same. Their changes are numbered together."""

    def __init__(self) -> None:
        self.readers: set[Reader] = set()
        self.number = 0  #: of the last frame of changes
        self.sent_at = float("-inf")  #: for whoever paces the frames, on a clock of theirs
        self._pieces: list[bytes] = []

    def gather(self, pieces: bytes) -> bool:
        """Encoded entities, comma separated. True when these are the first that wait."""
        self._pieces.append(pieces)
        return len(self._pieces) == 1

    def send(self) -> None:
        """All that waits, as one frame, to every page."""
        if not self._pieces:
            return
        self.number += 1
        frame = changes_frame(self.number, b",".join(self._pieces))
        self._pieces.clear()
        for reader in tuple(self.readers):
            reader.put(frame)


def at_once(group: Group, *, urgent: bool) -> None:  # noqa: ARG001  (of no use: all is sent)
    """Nothing is gathered."""
    group.send()


class Pace(Protocol):
    """Told of each group for which something waits; calls its `send` when it is time."""

    def __call__(self, group: Group, *, urgent: bool) -> None:
        """`urgent`: one listener's own matter is among it, which waits for nobody's."""


class Board:
    """What is shown now, and who reads it. Single-threaded: belongs to the event loop."""

    def __init__(self, pace: Pace = at_once) -> None:
        self._pace = pace
        self._values: dict[Audience, dict[_Key, Value]] = {}
        self._encoded: dict[Audience, dict[_Key, bytes]] = {}
        self._pending: dict[Audience, list[bytes]] = {}
        self._groups: dict[tuple[Audience, ...], Group] = {}
        self._by_audience: dict[Audience, set[Group]] = {}
        self._all: set[Reader] = set()

    # --- what is shown

    def show(self, kind: Kind, id: str, value: Value, account_id: int | None = None, *, confined: bool = False) -> None:
        """The entity is as `value` now. The same value again is nothing new."""
        audience = audience_of(kind, account_id, confined=confined)
        values = self._values.setdefault(audience, {})
        key = (kind, id)
        if values.get(key) == value:
            return
        piece = _encode({"kind": kind, "id": id, "value": value})
        values[key] = value
        self._encoded.setdefault(audience, {})[key] = piece
        self._pending.setdefault(audience, []).append(piece)

    def remove(self, kind: Kind, id: str, account_id: int | None = None, *, confined: bool = False) -> None:
        """The entity is gone."""
        audience = audience_of(kind, account_id, confined=confined)
        key = (kind, id)
        if self._values.get(audience, {}).pop(key, None) is None:
            return
        del self._encoded[audience][key]
        self._pending.setdefault(audience, []).append(_encode({"kind": kind, "id": id, "value": None}))

    def ids(self, kind: Kind, account_id: int | None = None) -> list[str]:
        """Ids of the entities of a kind that are shown."""
        shown = self._values.get(audience_of(kind, account_id), {})
        return [id for shown_kind, id in shown if shown_kind is kind]

    def value(self, kind: Kind, id: str, account_id: int | None = None, *, confined: bool = False) -> Value | None:
        """The entity as it is shown, or None."""
        return self._values.get(audience_of(kind, account_id, confined=confined), {}).get((kind, id))

    def flush(self) -> None:
        """Hand what changed since the last time to the groups that see it."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        due: dict[Group, bool] = {}  # urgent or not
        for audience, pieces in pending.items():
            groups = self._by_audience.get(audience)
            if groups:
                joined, urgent = b",".join(pieces), is_own(audience)
                for group in groups:
                    if group.gather(joined) or urgent:
                        due[group] = due.get(group, False) or urgent
        for group, urgent in due.items():
            self._pace(group, urgent=urgent)

    def tick(self, at: str) -> None:
        """Tell all readers the time, so that they can tell a calm line from a dead service. What waits goes first."""
        self.flush()
        for group in self._groups.values():
            group.send()
        frame = tick_frame(at)
        for reader in tuple(self._all):
            reader.put(frame)

    # --- who reads

    def join(self, reader: Reader, page: Page) -> None:
        """A new reader: gets a snapshot now, and every later change.

        What its group has gathered is in the snapshot already and comes once more: an entity is told whole, so that
        changes nothing.
        """
        self.flush()
        group = self._groups.get(reader.audiences)
        if group is None:
            group = self._groups[reader.audiences] = Group()
            for audience in reader.audiences:
                self._by_audience.setdefault(audience, set()).add(group)
        pieces = [piece for audience in reader.audiences for piece in self._encoded.get(audience, {}).values()]
        group.readers.add(reader)
        self._all.add(reader)
        reader.page = page
        reader.put(snapshot_frame(reader.account_id, group.number, b",".join(pieces)))

    def leave(self, reader: Reader) -> None:
        """The socket is closed."""
        reader.page = None
        self._all.discard(reader)
        group = self._groups.get(reader.audiences)
        if group is None:
            return
        group.readers.discard(reader)
        if not group.readers:
            del self._groups[reader.audiences]
            for audience in reader.audiences:
                self._by_audience[audience].discard(group)

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._all)

    def readers_of(self, account_id: int) -> int:
        """How many pages this account has open."""
        return sum(reader.account_id == account_id for reader in self._all)

    def sessions(self) -> set[tuple[int, Standing]]:
        """Sessions that have a page open, and how much they might do when it was opened."""
        return {(reader.session_id, reader.standing) for reader in self._all}

    def dismiss(self, session_id: int) -> None:
        """A session ended: its pages are closed."""
        for reader in tuple(self._all):
            if reader.session_id == session_id:
                reader.dismiss()

    def dismiss_all(self) -> None:
        """The service stops: pages connect again by themselves."""
        for reader in tuple(self._all):
            reader.dismiss()
