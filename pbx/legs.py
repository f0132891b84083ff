"""The legs of all calls, and who is with whom: channels, and the bridges that they share. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pbx.channels import interface_of
from pbx.events import BridgeEntered, BridgeLeft, LegGone, LegListed
from pbx.identity import Identity


class Leg(msgspec.Struct, gc=False):
    """A living channel. `call_id` is empty for a stranger: a leg that belongs to no call, as far as anybody knows."""

    uniqueid: str
    channel: str  #: its name
    call_id: str
    linkedid: str = ""  #: the oldest channel that it was linked with when it last told
    bridge: str = ""  #: the bridge that it is in, by id; empty while it is alone
    session: int = 0  #: the session in which it was first heard of
    placed: int = -1  #: the session in which it last told its bridge

    @property
    def interface(self) -> str:
        """`PJSIP/l12`: what was dialled, or who dialled."""
        return interface_of(self.channel)


class Company:
    """`legs`: those that live, by uniqueid, each with its call. One that is gone stays gone, whatever is heard."""

    def __init__(self) -> None:
        self.identity = Identity()
        self.legs: dict[str, Leg] = {}
        self._calls: dict[str, dict[str, Leg]] = {}
        self._bridges: dict[str, dict[str, Leg]] = {}
        self._session = 0
        self._listed = 0  #: the session whose list came last

    def of_call(self, call_id: str) -> dict[str, Leg]:
        """The legs of a call by uniqueid: always the same dictionary until the call is forgotten."""
        legs = self._calls.get(call_id)
        if legs is None:
            legs = self._calls[call_id] = {}
        return legs

    def call_of(self, uniqueid: str) -> str:
        """The call of a channel that lives, or was there a moment ago; empty for a stranger."""
        return self.identity.of(uniqueid)

    # --- what is heard ----------------------------------------------------------------------------------------------

    def told(self, uniqueid: str, channel: str, call_id: str) -> None:
        """A leg said whose it is: in a step of its call, or as it began to ring."""
        if uniqueid not in self.legs and not self.identity.is_gone(uniqueid):
            self._new(uniqueid, channel, call_id, "")

    def entered(self, event: BridgeEntered) -> str:
        """A leg entered a bridge. → its call."""
        leg = self.legs.get(event.uniqueid)
        if leg is None:
            if self.identity.is_gone(event.uniqueid):
                return self.identity.of(event.uniqueid)
            leg = self._new(event.uniqueid, event.channel, event.call_id, event.linkedid)
        elif leg.linkedid != event.linkedid or (event.call_id and event.call_id != leg.call_id):
            self._again(leg, event.call_id, event.linkedid)
        leg.placed = self._session
        if leg.bridge != event.bridge:
            self._leave(leg)
            self._put(leg, event.bridge)
            room = self._bridges.get(event.bridge, {})
            for other in room.values():
                if other.call_id != leg.call_id:
                    self._meet(room)
                    break
        return leg.call_id

    def left(self, event: BridgeLeft) -> None:
        """A leg left a bridge."""
        leg = self.legs.get(event.uniqueid)
        if leg is None:
            if self.identity.is_gone(event.uniqueid):
                return
            leg = self._new(event.uniqueid, event.channel, event.call_id, event.linkedid)
        if leg.bridge == event.bridge or leg.placed != self._session:  # that it had entered this one was missed
            self._leave(leg)
        leg.placed = self._session

    def gone(self, event: LegGone) -> str:
        """A leg was hung up. → its call."""
        leg = self.legs.get(event.uniqueid)
        if leg is None:
            call_id = self.identity.seen(event.uniqueid, event.call_id, event.linkedid)
            self._name()
        else:
            call_id = leg.call_id
            self._leave(leg)
            self._remove(leg)
        self.identity.gone(event.uniqueid, event.at, lived=leg is not None)
        return call_id

    def forget(self, call_id: str) -> None:
        """The call ended long ago."""
        self.identity.forget(call_id)
        for leg in list(self._calls.pop(call_id, {}).values()):
            self._move(leg, "")

    def tidy(self, call_id: str) -> None:
        """A leg of a call that nobody follows is gone."""
        if not self._calls.get(call_id, True):
            del self._calls[call_id]

    # --- the snapshot -----------------------------------------------------------------------------------------------

    def begin_session(self, session: int) -> None:
        """What is heard from now on is newer than what was known."""
        self._session = session

    def listed(self, legs: Iterable[LegListed], at: float) -> None:
        """Every living channel. What was heard of a leg since the session began outranks the list."""
        found: set[str] = set()
        for listed in legs:
            found.add(listed.uniqueid)
            if self.identity.is_gone(listed.uniqueid):
                continue
            leg = self.legs.get(listed.uniqueid)
            if leg is None:
                leg = self._new(listed.uniqueid, listed.channel, listed.call_id, listed.linkedid)
            else:
                self._again(leg, listed.call_id, listed.linkedid)
            if leg.placed != self._session:
                self._put(leg, listed.bridge)
        for leg in list(self.legs.values()):
            if leg.uniqueid not in found and self._session not in {leg.session, leg.placed}:
                self._remove(leg)
                self.identity.gone(leg.uniqueid, at)
        for room in list(self._bridges.values()):
            self._meet(room)
        self._listed = self._session

    # --- inside -----------------------------------------------------------------------------------------------------

    def _new(self, uniqueid: str, channel: str, own: str, linkedid: str) -> Leg:
        call_id = self.identity.seen(uniqueid, own, linkedid)
        self.identity.lives(uniqueid)
        leg = self.legs[uniqueid] = Leg(uniqueid, channel, call_id, linkedid, session=self._session)
        if call_id:
            self.of_call(call_id)[uniqueid] = leg
        if self.identity.named:
            self._name()
        return leg

    def _again(self, leg: Leg, own: str, linkedid: str) -> None:
        leg.linkedid = linkedid
        call_id = self.identity.seen(leg.uniqueid, own, linkedid)
        if leg.call_id != call_id:
            self._move(leg, call_id)
        self._name()

    def _move(self, leg: Leg, call_id: str) -> None:
        if leg.call_id in self._calls:
            self._calls[leg.call_id].pop(leg.uniqueid, None)
        leg.call_id = call_id
        if call_id:
            self.of_call(call_id)[leg.uniqueid] = leg

    def _put(self, leg: Leg, bridge: str) -> None:
        if leg.bridge and leg.bridge != bridge:
            room = self._bridges[leg.bridge]
            del room[leg.uniqueid]
            if not room:
                del self._bridges[leg.bridge]
        leg.bridge = bridge
        if bridge:
            self._bridges.setdefault(bridge, {})[leg.uniqueid] = leg

    def _remove(self, leg: Leg) -> None:
        self._put(leg, "")
        del self.legs[leg.uniqueid]
        if leg.call_id in self._calls:
            self._calls[leg.call_id].pop(leg.uniqueid, None)

    def _leave(self, leg: Leg) -> None:
        """Where two calls had met, those who stay may be in a conversation of one again."""
        room = self._bridges.get(leg.bridge, {})
        self._put(leg, "")
        if self._listed == self._session:  # else the others may have gone elsewhere in the gap: the list will tell
            self._meet(room)

    def _meet(self, room: dict[str, Leg]) -> None:
        """Strangers in a conversation of one call belong to it. Where two calls meet, nobody can say to which."""
        of_calls = {leg.call_id: leg for leg in room.values() if leg.call_id}
        if len(of_calls) != 1:
            return
        (host,) = of_calls.values()
        for leg in room.values():
            if not leg.call_id:
                self.identity.join(host.uniqueid, leg.uniqueid)
        self._name()

    def _name(self) -> None:
        """Strangers whose call has become known."""
        named = self.identity.named
        while named:
            leg = self.legs.get(named.pop())
            if leg is not None and leg.call_id != self.identity.of(leg.uniqueid):
                self._move(leg, self.identity.of(leg.uniqueid))
