"""The calls: steps of the dialplan, rings and bridges become facts.

Asterisk keeps order within one channel only. So what a caller's leg tells and what a listener's leg tells may come in
any order between the two, and the facts are the same: steps are numbered by the dialplan, and a bridge belongs to the
`connecting` step whose number lies between the caller's own steps around it. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pbx.events import BridgeEntered, BridgeLeft, CallStep, LegGone, LegListed, RingBegan
from pbx.facts import PRESUMED, CallEnded, CallFact, EndedBy, Stage
from pbx.legs import Company
from pbx.steps import LiveCall
from pbx.track import Track

__all__ = ["CallTracker", "LiveCall"]

#: Ended calls are remembered for late words of their other legs: this long on the PBX's clock, and at most so many.
ENDED_KEPT_SECONDS = 60.0
ENDED_KEPT_CALLS = 5_000


class CallTracker:
    """`calls`: the live calls by id. `company`: which leg belongs to which of them, and who is with whom."""

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self.calls: dict[str, LiveCall] = {}
        self.company = Company()
        self._tracks: dict[str, Track] = {}
        self._ended: dict[str, Track] = {}
        self._session = 0

    # --- events -----------------------------------------------------------------------------------------------------

    def step(self, event: CallStep) -> list[CallFact]:
        """A step of the dialplan."""
        track = self._track(event.call_id, event.at)
        if event.uniqueid not in self.company.legs:
            self.company.told(event.uniqueid, event.channel, event.call_id)
        facts = track.step(event)
        if event.what == "ended" and track.ended_at is None:
            self._end(track, event.at)
        return facts

    def ring(self, event: RingBegan) -> list[CallFact]:
        """A leg is being rung."""
        track = self._track(event.call_id, event.at)
        self.company.told(event.uniqueid, event.channel, event.call_id)
        return track.ring(event)

    def bridge(self, event: BridgeEntered) -> list[CallFact]:
        """A leg entered a bridge."""
        call_id = self.company.entered(event)
        track = self._track_of(call_id)
        if track is None and event.oldest and event.uniqueid in self.company.legs:
            track = self._track(call_id, event.at)  # a caller of whom the list has still to come
        if track is None or not track.is_caller(event.uniqueid, oldest=event.oldest):
            return []  # any other leg may outlive the caller: no sign that the call lives
        track.heard_in(self._session, event.at)
        return track.bridge(event)

    def left(self, event: BridgeLeft) -> list[CallFact]:
        """A leg left a bridge. What that means is the dialplan's to say."""
        self.company.left(event)
        return []

    def gone(self, event: LegGone) -> list[CallFact]:
        """A leg was hung up."""
        call_id = self.company.gone(event)
        track = self._track_of(call_id)
        if track is None:
            self.company.tidy(call_id)
            return []
        track.last_at = event.at
        if not track.is_caller(event.uniqueid, oldest=event.oldest):
            # It may outlive the caller: no sign that the call lives.
            return track.leg_gone(event, heard_of=track.session == self._session)
        if track.ended_at is not None:
            return []
        if track.session != self._session:  # its hangup handler may have spoken unheard: the journal has its word
            self._end(track, event.at)
            return []
        # The hangup handler speaks first, on this very channel. Without its word the end is presumed, and not hidden.
        return self._presume(track, event.at, EndedBy.SYSTEM)

    def _track_of(self, call_id: str) -> Track | None:
        return self._tracks.get(call_id) or self._ended.get(call_id)

    def _known(self, call_id: str, at: float) -> Track | None:
        track = self._track_of(call_id)
        if track is not None:
            track.heard_in(self._session, at)
        return track

    def _track(self, call_id: str, at: float) -> Track:
        track = self._known(call_id, at)
        if track is None:
            track = Track(self.pbx, LiveCall(call_id, legs=self.company.of_call(call_id)), self._session, at)
            self._tracks[call_id] = track
            self.calls[call_id] = track.live
        return track

    def expect(self, call_id: str, last_at: float) -> None:
        """A call that began before anything that this tracker was told."""
        self._track(call_id, last_at)

    # --- ends -------------------------------------------------------------------------------------------------------

    def _end(self, track: Track, at: float) -> None:
        call_id = track.live.call_id
        track.ended_at, track.live.stage = at, Stage.ENDED
        self._tracks.pop(call_id, None)
        self.calls.pop(call_id, None)
        self._ended[call_id] = track
        while len(self._ended) > ENDED_KEPT_CALLS or self._oldest_ended() < at - ENDED_KEPT_SECONDS:
            forgotten = next(iter(self._ended))
            del self._ended[forgotten]
            self.company.forget(forgotten)

    def _oldest_ended(self) -> float:
        ended_at = next(iter(self._ended.values())).ended_at
        return ended_at if ended_at is not None else 0.0

    def _presume(self, track: Track, at: float, by: EndedBy) -> list[CallFact]:
        call_id, stage = track.live.call_id, track.live.stage
        self._end(track, at)
        return [CallEnded(pbx=self.pbx, at=at, call_id=call_id, ordinal=PRESUMED, by=by, stage=stage)]

    def presume_ended(self, live: Collection[str], at: float | None = None) -> list[CallFact]:
        """The PBX died under its calls: those not in `live` ended by fault, `at` or when last heard of, if later."""
        dead = [track for call_id, track in self._tracks.items() if call_id not in live]
        return [fact for track in dead for fact in self._presume(track, max(track.last_at, at or 0.0), EndedBy.FAULT)]

    # --- the snapshot -----------------------------------------------------------------------------------------------

    def begin_session(self) -> None:
        """What is seen from now on is newer than what was known."""
        self._session += 1
        self.company.begin_session(self._session)

    def listed(self, at: float, legs: Iterable[LegListed]) -> tuple[list[CallFact], frozenset[str]]:
        """The live channels. Returns facts (rings that stopped meanwhile), and the ids of calls that ended unseen.

        What was seen live since the session began outranks the list.
        """
        callers: dict[str, LegListed] = {}
        others: dict[str, list[LegListed]] = {}
        legs = tuple(legs)
        self.company.listed(legs, at)
        for leg in legs:
            if leg.step_what == "ended" or self.company.identity.is_gone(leg.uniqueid):
                continue  # its channel is about to go, or went while the list was made: the journal has its end
            if leg.step:
                callers[leg.call_id] = leg
            else:
                others.setdefault(leg.call_id, []).append(leg)
        gone = frozenset(
            call_id
            for call_id, track in self._tracks.items()
            if call_id not in callers and track.session != self._session
        )
        for call_id in gone:
            self._end(self._tracks[call_id], at)
        facts: list[CallFact] = []
        for call_id, caller in callers.items():
            if call_id in self._ended:
                continue
            track, legs_of_call = self._track(call_id, at), others.get(call_id, [])
            track.adopt(caller, {leg.channel for leg in legs_of_call})
            facts += track.adopt_rings(caller, legs_of_call, at)
        return facts, gone
