"""Whether the trail is whole: the chain inside the database, its purge mark, and the anchors outside of it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit import queries
from service.audit.model import Action, Written
from service.audit.use_cases import Act, append, content_of
from service.keys import Keyring
from service.store.engine import Store

#: entries that are read at once: the event loop, which carries the calls, is held up for a few milliseconds at most
STRETCH: Final = 500
_BEFORE_ALL: Final = -(2**63)  # whoever has the database may have put in any number
#: what no chain in a database can show, said wherever its state is
NOT_PROVEN: Final = (
    "Entries since the last anchor, and anchors themselves, can be taken away by whoever may write both the database "
    "and the anchors' file. Keep anchors elsewhere as well (the service's log has each, `ecoute audit anchor` prints "
    "one), and give them to `ecoute audit verify --anchor`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where the chain ended at an instant, kept outside the database. `hash`: of that entry, hexadecimal."""

    seq: int
    hash: str
    at: datetime | None = None

    @property
    def text(self) -> str:
        """As it is printed and read again: `1234:ab12…`."""
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """`broken_at`: number of the first entry that was changed, taken out or put in; none: the chain holds.

    `purged`: up to which number entries were purged after their time, as the trail itself says. `missing_from`: first
    of the entries that an anchor knows and the database does not have, or has otherwise: the end was taken away, or an
    older copy of the database put in its place. `anchored`: up to where anchors vouch.
    """

    entries: int
    broken_at: int | None
    last: int = 0
    purged: int = 0
    anchored: int = 0
    missing_from: int | None = None

    @property
    def whole(self) -> bool:
        return self.broken_at is None and self.missing_from is None


@dataclass(slots=True)
class _Walk:
    """What was met on the way. `hashes`: of the entries that anchors speak of."""

    wanted: frozenset[int]
    began_after: int
    seq: int
    previous: bytes
    entries: int = 0
    purge_noted: int = 0
    hashes: dict[int, str] = field(default_factory=dict)

    def take_all(self, entries: Iterable[Written], keyring: Keyring) -> int | None:
        """The number of the first one that does not follow."""
        return next((entry.seq for entry in entries if not self._take(entry, keyring)), None)

    def _take(self, entry: Written, keyring: Keyring) -> bool:
        expected = keyring.audit_hash(self.previous, content_of(entry))
        if entry.seq != self.seq + 1 or not hmac.compare_digest(entry.hash, expected):
            return False
        self.seq, self.previous, self.entries = entry.seq, entry.hash, self.entries + 1
        if entry.action is Action.TRAIL_PURGED:
            self.purge_noted = max(self.purge_noted, int(entry.subject_id))
        if entry.seq in self.wanted:
            self.hashes[entry.seq] = entry.hash.hex()
        return True


async def verify(store: Store, keyring: Keyring, anchors: Sequence[Anchor] = ()) -> ChainState:
    """Walk the whole chain, and hold the anchors to it.

    The trail goes on meanwhile: each stretch is read by itself and followed beside the event loop, and no transaction
    lasts for the whole walk. The last stretch tells, as of its instant, where the chain must end.
    """
    followed = await _follow(store, keyring, frozenset(anchor.seq for anchor in anchors))
    if followed is None:
        async with store.reading() as session:
            stray = await queries.entries(session, limit=1)
        return _held(anchors, {}, ChainState(entries=0, broken_at=stray[0].seq if stray else None))
    walk, broken_at = followed
    state = ChainState(entries=walk.entries, broken_at=broken_at, last=walk.seq, purged=walk.began_after)
    return _held(anchors, walk.hashes, state)


async def _follow(store: Store, keyring: Keyring, wanted: frozenset[int]) -> tuple[_Walk, int | None] | None:
    """The walk, and where it ended before its time; none where there is no head."""
    walk = None
    while True:
        async with store.reading() as session:
            found = await queries.stretch(session, after=_BEFORE_ALL if walk is None else walk.seq, limit=STRETCH)
        if found is None:
            return None
        if walk is not None and walk.began_after != found.purged_seq:
            walk = None  # its beginning was purged meanwhile: once more, from the new mark
            continue
        if walk is None:
            walk = _Walk(wanted, found.purged_seq, found.purged_seq, found.purged_hash)
        broken_at = await asyncio.to_thread(walk.take_all, found.entries, keyring)
        if broken_at is not None:
            return walk, broken_at
        if len(found.entries) < STRETCH:
            return walk, _broken_end(found, walk)


def _broken_end(head: queries.Stretch, walk: _Walk) -> int | None:
    """The purge mark must be the trail's own: else whoever has the database could move it and drop what they like."""
    if walk.purge_noted != head.purged_seq:
        return min(walk.purge_noted, head.purged_seq) + 1
    ends = walk.seq == head.last_seq and hmac.compare_digest(walk.previous, head.last_hash)
    return None if ends else walk.seq + 1


def _held(anchors: Sequence[Anchor], hashes: dict[int, str], state: ChainState) -> ChainState:
    """Each anchor beyond the purge mark must be in the chain."""
    anchored, missing_from = state.purged, None
    for anchor in sorted(anchors, key=lambda anchor: anchor.seq):
        if anchor.seq <= state.purged:
            continue
        if anchor.seq not in hashes:
            missing_from = state.last + 1 if state.broken_at is None else None
            break
        if hashes[anchor.seq] != anchor.hash:
            missing_from = anchored + 1
            break
        anchored = anchor.seq
    return ChainState(
        entries=state.entries,
        broken_at=state.broken_at,
        last=state.last,
        purged=state.purged,
        anchored=anchored,
        missing_from=missing_from,
    )


async def head_anchor(session: AsyncSession, at: datetime) -> Anchor | None:
    """Where the chain ends now; none before the first entry."""
    head = await queries.head(session)
    return None if head is None or not head.last_seq else Anchor(seq=head.last_seq, hash=head.last_hash.hex(), at=at)


async def purge(session: AsyncSession, keyring: Keyring, *, before: datetime, at: datetime) -> int:
    """Take out the entries from before that instant; the trail itself says so. How many there were.

    What is left still holds: the mark keeps the hash that the first entry left is chained to.
    """
    head = await queries.locked_head(session)
    last = await queries.last_before(session, before)
    if last is None or last.seq <= head.purged_seq:
        return 0
    count = last.seq - head.purged_seq
    head.purged_seq, head.purged_hash = last.seq, last.hash
    act = Act(action=Action.TRAIL_PURGED, subject="trail", subject_id=last.seq)
    await append(session, keyring, [act], account_id=None, at=at)
    await queries.delete_up_to(session, last.seq)
    return count


def months_before(at: datetime, months: int) -> datetime:
    """The same day so many months earlier; the last of the month where there is no such day."""
    index = at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 - months
    year, month = divmod(index, 12)
    for day in range(at.astimezone(UTC).day, 27, -1):
        try:
            return at.astimezone(UTC).replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return at.astimezone(UTC).replace(year=year, month=month + 1)
