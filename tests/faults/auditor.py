"""The audit: what callers and phones saw, beside what the books say. Pure; the oracle is always the former."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.faults.books import Books, Record
from tests.faults.order import Overtaking, overtakings
from tests.faults.people import Ledger
from tests.faults.stories import CallerStory, Leg

#: from a listener's BYE to the line's BYE to the caller: the dialplan asks for the cause up to half a second
DEED_SECONDS: Final = 5.0
#: two instants of one event, on two sides of the line
SAME_SECONDS: Final = 0.5
#: an answer that is over before this did not become a conversation (dialplan/listener.conf)
TALK_SECONDS: Final = 1.0
#: two BYEs within this may both have been the first
CROSSING_SECONDS: Final = 1.5
#: between the caller's last message and the end in the record: a flooded PBX on a busy machine takes its time to read
END_SECONDS: Final = 5.0


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # a call that the books do not have, or a waiting caller ended, or never taken
    CUT = "cut"  # a conversation that ended without either side's deed
    DUPLICATE = "duplicate"  # two records or two contacts for one call
    OVERTAKEN = "overtaken"  # somebody who came later was offered first
    RECORD = "record"  # the record says something else than the caller and the phones
    WRITE = "write"  # an acknowledged write that is not there
    LEAK = "leak"  # personal data in a file
    BOARD = "board"  # the live board was not right in time
    AUDIO = "audio"  # the running conversation was not heard
    FAULT = "fault"  # what is special to a fault did not hold


@dataclass(frozen=True, slots=True)
class Finding:
    """Nothing personal in it. `at`: epoch seconds. `fault`: which one was near, filled in by the report."""

    kind: Kind
    what: str
    at: float
    call_id: str = ""
    sip_call: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Frozen:
    """While the PBX itself stood still, by the test's doing: time that counts for nobody. Epoch seconds."""

    began: float
    ended: float


class Audit:
    """Everything that was seen and written, put together by call.

    `frozen`: while Asterisk stood still by the test's doing. `deaths`: when it was killed, and answered again: what
    lived then was ended by a fault, and must be told so.
    """

    def __init__(
        self,
        stories: Sequence[CallerStory],
        legs: Sequence[Leg],
        books: Books,
        frozen: Sequence[Frozen] = (),
        deaths: Sequence[Frozen] = (),
    ) -> None:
        self._deaths = deaths
        self._stories = stories
        self._legs: dict[str, list[Leg]] = defaultdict(list)
        for leg in legs:
            self._legs[leg.call_id].append(leg)
        self._all_legs = legs
        self._books = books
        self._frozen = frozen
        self._records = {record.call_id: record for record in books.records}
        self._contacts: dict[str, list[int]] = defaultdict(list)
        for contact in books.contacts:
            self._contacts[contact.call_id].append(contact.case_id)
        by_number: dict[str, set[str]] = defaultdict(set)
        for record in books.records:
            if record.number:
                by_number[record.number].add(record.call_id)
        for number, ids in books.call_ids.items():
            by_number[number] |= ids
        self._ids: Mapping[str, set[str]] = by_number

    def findings(self) -> list[Finding]:
        """Everything that is wrong with the calls, in the order of time."""
        return sorted(self._findings(), key=lambda finding: finding.at)

    def _findings(self) -> Iterator[Finding]:
        arrived: dict[str, CallerStory] = {}
        for story in self._stories:
            ids = sorted(self._ids.get(story.number, ()))
            arrived.update(dict.fromkeys(ids, story))
            yield from self._one(story, ids)
        for record in self._books.records:
            if record.call_id not in arrived:
                yield Finding(
                    Kind.DUPLICATE, "a record of a call that nobody made", record.ended_at or 0, record.call_id
                )
        for overtaking in self._overtakings(arrived):
            if overtaking.announced:
                continue
            what = f"offered {overtaking.later:.1f} s after somebody who came {overtaking.came_later:.0f} s later"
            yield Finding(Kind.OVERTAKEN, what, overtaking.at, overtaking.call_id)

    def _overtakings(self, stories: Mapping[str, CallerStory]) -> Iterator[Overtaking]:
        alive = {call: story for call, story in stories.items() if not self._was_killed(story)}
        return overtakings(self._books.steps, self._all_legs, alive, self._books.announcements, self._elapsed)

    def delays(self) -> list[float]:
        """Seconds by which callers were offered later than who came behind: they were being told their place."""
        stories = {found: story for story in self._stories for found in self._ids.get(story.number, ())}
        worst: dict[str, float] = {}
        for overtaking in self._overtakings(stories):
            if overtaking.announced:
                worst[overtaking.call_id] = max(worst.get(overtaking.call_id, 0.0), overtaking.later)
        return sorted(worst.values())

    def _elapsed(self, began: float, ended: float) -> float:
        """Seconds in which the PBX could do something."""
        still = sum(max(0.0, min(ended, f.ended) - max(began, f.began)) for f in self._frozen)
        return ended - began - still

    # --- one call

    def _one(self, story: CallerStory, ids: list[str]) -> Iterator[Finding]:
        at, call = story.ended_at or story.rang_at, ids[0] if ids else ""
        if self._was_killed(story):
            yield from self._killed(story, ids)
            return
        if story.answered_at is None:
            what = f"never taken: {story.refused}" if story.refused else "never taken: no answer to the INVITE"
            yield Finding(Kind.LOST, what, story.rang_at, call, story.sip_call)
            if not ids:
                return
        if not ids:
            yield Finding(Kind.LOST, "a call that neither the books nor the witness has", at, "", story.sip_call)
            return
        if len(ids) > 1:
            yield Finding(Kind.DUPLICATE, f"one call, {len(ids)} identities", at, call, story.sip_call)
        legs = [leg for found in ids for leg in self._legs.get(found, ())]
        yield from self._ends(story, legs, call)
        record = next((self._records[found] for found in ids if found in self._records), None)
        if record is None:
            yield Finding(Kind.LOST, "a call without a record", at, call, story.sip_call)
            return
        for what in self._record_faults(story, legs, record):
            yield Finding(Kind.RECORD, what, at, record.call_id, story.sip_call)
        yield from self._contact_faults(story, record)

    def _killed(self, story: CallerStory, ids: list[str]) -> Iterator[Finding]:
        """One record says so; an INVITE that was sent again afterwards may have become a second call."""
        told = {found: self._records[found].ended_by for found in ids if found in self._records}
        if "fault" not in told.values() and (ids or story.answered_at is not None):
            what = f"lived when the PBX was killed, and is said to be ended by {', '.join(told.values()) or 'nobody'}"
            yield Finding(Kind.RECORD, what, story.rang_at, ids[0] if ids else "", story.sip_call)

    def _was_killed(self, story: CallerStory) -> bool:
        lived = (story.ended_at is None or story.ended_at > death.began for death in self._deaths)
        return any(alive and story.rang_at < d.began for alive, d in zip(lived, self._deaths, strict=True))

    def _ends(self, story: CallerStory, legs: list[Leg], call: str) -> Iterator[Finding]:
        """I1, I2: whoever ended it was the caller or the listener."""
        talked = [leg for leg in legs if leg.talked_at is not None]
        if story.ended_at is None:
            if story.answered_at is not None:
                yield Finding(Kind.RECORD, "never ended", story.answered_at, call, story.sip_call)
        elif story.ended_by == "line" and not any(self._is_deed(leg, story.ended_at) for leg in talked):
            kind, what = (Kind.CUT, "the caller was hung up on") if talked else (Kind.LOST, "put out while waiting")
            yield Finding(kind, f"{what}, and no listener had ended it", story.ended_at, call, story.sip_call)
            return
        for leg in talked:
            if leg.ended_by == "line" and leg.ended_at is not None and not self._caller_had_gone(story, leg):
                yield Finding(Kind.CUT, f"the leg of {leg.user} was ended under a living caller", leg.ended_at, call)

    def _is_deed(self, leg: Leg, ended_at: float) -> bool:
        if leg.ended_by != "phone" or leg.ended_at is None or leg.ended_at > ended_at + SAME_SECONDS:
            return False
        return self._elapsed(leg.ended_at, ended_at) <= DEED_SECONDS

    @staticmethod
    def _caller_had_gone(story: CallerStory, leg: Leg) -> bool:
        if leg.ended_at is None or leg.talked_at is None or story.ended_at is None:
            return False
        return story.ended_by == "caller" and story.ended_at <= leg.ended_at + SAME_SECONDS

    # --- its record

    def _record_faults(self, story: CallerStory, legs: list[Leg], record: Record) -> Iterator[str]:
        if record.ended_at is None:
            yield "the record is open"
            return
        if not record.number:
            yield "the record has no number"
        if story.ended_at is not None and abs(record.ended_at - story.ended_at) > END_SECONDS + self._still(story):
            yield f"ended {record.ended_at - story.ended_at:+.1f} s beside the caller's own end"
        conversations = [leg for leg in legs if self._seconds_of_talk(leg, story) >= TALK_SECONDS]
        expected = _results(conversations, legs)
        if record.result not in expected:
            yield f"the result is {record.result}, expected {' or '.join(sorted(expected))}"
        if record.ended_by not in _enders(story, legs):
            yield f"ended by {record.ended_by}, expected {' or '.join(sorted(_enders(story, legs)))}"
        if conversations and record.listener not in _last_listeners(legs, conversations):
            yield f"the listener is {record.listener or 'nobody'}, expected {conversations[-1].user}"
        connects = self._books.connects.get(record.call_id, 0)
        if bool(conversations) > bool(connects) or (connects and not any(leg.talked_at for leg in legs)):
            yield f"queue_log has {connects} connections, the phones had {len(conversations)}"

    def _still(self, story: CallerStory) -> float:
        """How long the PBX stood still around the end."""
        if story.ended_at is None:
            return 0.0
        return sum(f.ended - f.began for f in self._frozen if f.began - 1 <= story.ended_at <= f.ended + END_SECONDS)

    @staticmethod
    def _seconds_of_talk(leg: Leg, story: CallerStory) -> float:
        if leg.talked_at is None:
            return 0.0
        ends = [end for end in (leg.ended_at, leg.killed_at, story.ended_at) if end is not None]
        return min(ends) - leg.talked_at if ends else TALK_SECONDS

    def _contact_faults(self, story: CallerStory, record: Record) -> Iterator[Finding]:
        at, cases = story.ended_at or story.rang_at, self._contacts.get(record.call_id, [])
        if record.result == "answered" and not cases:
            yield Finding(Kind.LOST, "an answered call without a contact", at, record.call_id, story.sip_call)
        if len(cases) > 1 or (cases and record.result != "answered"):
            what = f"{len(cases)} contacts of a call with the result {record.result}"
            yield Finding(Kind.DUPLICATE, what, at, record.call_id, story.sip_call)
        if 0 in cases:
            yield Finding(Kind.LOST, "a contact without a case record", at, record.call_id, story.sip_call)


def _results(conversations: list[Leg], legs: list[Leg]) -> set[str]:
    if conversations:
        return {"answered"}
    return {"answered", "abandoned"} if any(leg.talked_at for leg in legs) else {"abandoned"}


def _enders(story: CallerStory, legs: list[Leg]) -> set[str]:
    """Whose BYE came first; both where they crossed."""
    by_phone = [leg.ended_at for leg in legs if leg.ended_by == "phone" and leg.ended_at is not None]
    if story.ended_at is None:
        return {"caller", "listener"}
    near = any(abs(at - story.ended_at) <= CROSSING_SECONDS for at in by_phone)
    if story.ended_by == "line":
        return {"listener"}
    return {"caller", "listener"} if near else {"caller"}


def _last_listeners(legs: list[Leg], conversations: list[Leg]) -> set[str]:
    """The last who talked; any later one who answered for less than a second may stand there as well."""
    last = max(conversations, key=lambda leg: leg.talked_at or 0)
    later = {leg.user for leg in legs if (leg.talked_at or 0) > (last.talked_at or 0)}
    return {last.user} | later


# --- writes -----------------------------------------------------------------------------------------------------------


def audit_writes(ledger: Ledger, books: Books, at: float) -> list[Finding]:
    """I4: every acknowledged write is there, or was replaced by one that was sent after it."""
    findings: list[Finding] = []
    for contact_id, written in ledger.contacts.items():
        stored = books.notes.get(contact_id)
        if not written.version:
            continue
        if stored is None or stored.version < written.version:
            what = f"notes of contact {contact_id}: version {written.version} was acknowledged, "
            findings.append(Finding(Kind.WRITE, what + f"{stored.version if stored else 'nothing'} is stored", at))
            continue
        fits = {written.text} if stored.version == written.version else set(written.sent.get(stored.version, ()))
        if stored.text not in fits:
            findings.append(Finding(Kind.WRITE, f"notes of contact {contact_id}: another text is stored", at))
    return findings
