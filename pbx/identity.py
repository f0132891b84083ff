"""Which call a channel belongs to: by its own word, else by the company that it keeps.

The dialplan gives each call an id (CALL_ID), and most of its legs inherit it. Not all do: the leg by which a listener's
phone dials a colleague, the colleague's own, a leg that was originated. They are known by their uniqueid, by their
linkedid (the oldest channel that they were ever linked with), and by the bridge that they share with a leg of a call.
These aliases merge into one call and never split again. Pure: no I/O, no clock.

Nothing is originated yet. An Originate for a call that lives, or one that is to be a call of its own, must say which
call it is twice, each for one of the two ways on which we hear of it, before its first leg exists:

- `Variable: __CALL_ID=<uuid>`: the manager interface puts it into every event of the leg (`channelvars`). The two
  underscores hand it on to whatever the leg dials, both halves of a Local channel included.
- `Account: <uuid>`: the journal's AccountCode (cel_custom.conf), which no variable reaches. On the legs that the
  dialplan dials, the dialplan sets it itself (listener.conf, overflow.conf).

With the first alone, a leg that lived while nobody listened belongs to no call in the journal; with the second alone,
it is a stranger until it shares a bridge with a leg of its call. A new uuid makes a new call, which is in the books
only with the dialplan's step `entered` (guard.conf).
"""

from __future__ import annotations

from collections import deque

#: What nobody living stands for is remembered for late words: this long on the PBX's clock, and at most so much.
KEPT_SECONDS = 60.0
KEPT_ALIASES = 200_000


class _Group:
    """Aliases that mean the same call. `call_id` is empty while nobody knows which."""

    __slots__ = ("call_id", "idle_at", "ids", "living")

    def __init__(self, uniqueid: str) -> None:
        self.call_id = ""
        self.ids = {uniqueid}
        self.living = 0  #: channels among them that live
        self.idle_at = 0.0  #: when the last of them was hung up


class Identity:
    """Channels by uniqueid → calls by id. Two calls never become one: such a merge is refused.

    `named`: channels whose call has become known by their company; emptied by whoever reads it.
    """

    def __init__(self) -> None:
        self.named: list[str] = []
        self._groups: dict[str, _Group] = {}
        self._calls: dict[str, _Group] = {}
        self._own: dict[str, str] = {}  #: the own word of channels that keep another call's company
        self._gone: set[str] = set()
        self._idle: deque[tuple[float, _Group]] = deque()

    def __len__(self) -> int:
        """How many aliases are remembered."""
        return len(self._groups)

    def of(self, uniqueid: str) -> str:
        """The call of a channel; empty when nobody knows."""
        group = self._groups.get(uniqueid)
        return "" if group is None else self._own.get(uniqueid, group.call_id)

    def seen(self, uniqueid: str, own: str = "", linkedid: str = "") -> str:
        """A channel told its id, its own call (its variable CALL_ID) and whom it is linked with. → its call."""
        group = self._groups.get(uniqueid)
        if group is None:
            group = self._add(uniqueid, own)
        if own and group.call_id != own:
            group = self._claim(group, uniqueid, own)
        # A leg that says itself whose it is keeps to that, also where the oldest of its company is another call's.
        if linkedid and linkedid not in group.ids and uniqueid not in self._own:
            group = self._link(group, linkedid)
        return self._own.get(uniqueid, group.call_id)

    def lives(self, uniqueid: str) -> None:
        """A channel that was seen is not only spoken of: it lives, and will be hung up."""
        self._groups[uniqueid].living += 1

    def join(self, uniqueid: str, other: str) -> None:
        """Two channels are in one conversation, and at most one of them knows its call."""
        one, two = self._groups.get(uniqueid), self._groups.get(other)
        if one is not None and two is not None:
            self._merge(one, two)

    def gone(self, uniqueid: str, at: float, *, lived: bool = True) -> None:
        """A channel that was seen was hung up. What it stands for is remembered for a while."""
        group = self._groups.get(uniqueid)
        if group is None:
            return
        self._gone.add(uniqueid)
        group.living -= lived
        if group.living > 0:
            return
        group.idle_at = at
        self._idle.append((at, group))
        while self._idle[0][0] < at - KEPT_SECONDS:
            since, idle = self._idle.popleft()
            if idle.living <= 0 and idle.idle_at == since:
                self._drop(idle)

    def is_gone(self, uniqueid: str) -> bool:
        """It was hung up, not long ago."""
        return uniqueid in self._gone

    def forget(self, call_id: str) -> None:
        """A call ended long ago: what still lives of its company may join another."""
        group = self._calls.get(call_id)
        if group is not None:
            self._drop(group)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _add(self, uniqueid: str, call_id: str) -> _Group:
        while len(self._groups) >= KEPT_ALIASES:
            self._drop(next(iter(self._groups.values())))
        group = self._calls.get(call_id)
        if group is None:
            group = _Group(uniqueid)
        else:
            group.ids.add(uniqueid)
        self._groups[uniqueid] = group
        return group

    def _claim(self, group: _Group, uniqueid: str, own: str) -> _Group:
        if group.call_id:
            self._own[uniqueid] = own
            return group
        known = self._calls.get(own)
        if known is not None:
            return self._merge(known, group)
        group.call_id = own
        self._calls[own] = group
        if len(group.ids) > 1:
            self.named.extend(group.ids)
        return group

    def _link(self, group: _Group, linkedid: str) -> _Group:
        other = self._groups.get(linkedid)
        if other is not None:
            return self._merge(group, other)
        group.ids.add(linkedid)
        self._groups[linkedid] = group
        return group

    def _merge(self, one: _Group, two: _Group) -> _Group:
        """One group of two: the smaller goes into the larger, so that no alias moves often."""
        if one is two:
            return one
        if one.call_id and two.call_id:
            return one
        if one.call_id or two.call_id:
            self.named.extend(two.ids if one.call_id else one.ids)
        if len(one.ids) < len(two.ids):
            one, two = two, one
        one.call_id = one.call_id or two.call_id
        one.ids |= two.ids
        one.living += two.living
        for uniqueid in two.ids:
            self._groups[uniqueid] = one
        two.ids, two.living = set(), 0
        if one.call_id:
            self._calls[one.call_id] = one
        return one

    def _drop(self, group: _Group) -> None:
        for uniqueid in group.ids:
            del self._groups[uniqueid]
            self._own.pop(uniqueid, None)
        self._gone -= group.ids
        if self._calls.get(group.call_id) is group:
            del self._calls[group.call_id]
        group.ids, group.living = set(), 0
