"""The books held against queue_log, call by call. Pure. docs/after-a-gap.md: which differences are benign, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pbx.facts import AnsweredVia, EndedBy, Stage
from pbx.queue_log import Seen
from service.calls.fold import fold, told
from service.calls.told import Told

__all__ = ["Difference", "DifferenceKind", "compare", "told"]

#: app_queue answers these; the others are dialled by the dialplan itself
_BY_QUEUE: Final = frozenset({AnsweredVia.QUEUE, AnsweredVia.CENTRE_QUEUE})
#: queue_log has whole seconds, cut off
_SECOND: Final = 1.0


class DifferenceKind(StrEnum):
    """The first ones are findings; those that begin with `benign-` are counted, and explain themselves."""

    UNKNOWN_CALL = "unknown-call"  # queue_log knows a call that the books do not
    NOT_IN_QUEUE_LOG = "not-in-queue-log"  # the books know a call that waited, queue_log does not
    ENTERED = "entered"  # of a queue: one says that the caller came into it, the other does not
    CONNECTED = "connected"  # conversations: of whom, in which queue, how many
    NOT_COMPLETED = "not-completed"  # a conversation that has no end in queue_log though the call has ended
    ABANDONED = "abandoned"  # left by the caller in the queue, or not
    STILL_WAITING = "still-waiting"  # the call has ended and queue_log never said that the caller left the queue
    BENIGN_REDIRECTED = "benign-redirected"
    BENIGN_NEVER_TALKED = "benign-never-talked"
    BENIGN_LEFT_BETWEEN = "benign-left-between"

    @property
    def benign(self) -> bool:
        """Both tell the truth, each in its words."""
        return self.value.startswith("benign-")


@dataclass(frozen=True, slots=True)
class Difference:
    """`queue_log`, `books`: how many each has."""

    call_id: str
    kind: DifferenceKind
    queue_log: int
    books: int


def compare(seen: Seen | None, facts: Sequence[Told], call_id: str = "") -> list[Difference]:
    """One call that has ended (in the books, or without being in them). `seen` None: queue_log does not speak of it."""
    if seen is None:
        return _without_queue_log(facts, call_id)
    if not facts:
        return [Difference(seen.call_id, DifferenceKind.UNKNOWN_CALL, sum(seen.entered.values()), 0)]
    found = [*_entered(seen, facts), *_connected(seen, facts), *_left(seen, facts)]
    return [Difference(seen.call_id, kind, ours, theirs) for kind, ours, theirs in found]


_Found = Iterable[tuple[DifferenceKind, int, int]]


def _without_queue_log(facts: Sequence[Told], call_id: str) -> list[Difference]:
    queued = [fact for fact in facts if fact.what == "queued"]
    if not queued or _left_at_the_door(facts):
        return []
    return [Difference(call_id, DifferenceKind.NOT_IN_QUEUE_LOG, 0, len(queued))]


def _left_at_the_door(facts: Sequence[Told]) -> bool:
    """The caller hung up between the step that announces the queue and the queue itself."""
    last = max(facts, key=lambda fact: fact.ordinal if fact.what not in {"rung", "rang-out"} else -1)
    queued = [fact for fact in facts if fact.what == "queued"]
    return last.what == "ended" and (last.at - queued[-1].at).total_seconds() < _SECOND


def _entered(seen: Seen, facts: Sequence[Told]) -> _Found:
    """A queue is entered anew each round, so that queue_log has at least as many entries as the books have visits."""
    books = Counter(fact.detail["queue"] for fact in facts if fact.what == "queued")
    tried = {fact.detail["centre"] for fact in facts if fact.what == "centre-called" and fact.detail["way"] == "queue"}
    for queue, visits in books.items():
        if seen.entered[queue] < visits:
            between = seen.entered[queue] == visits - 1 and _left_at_the_door(facts)
            kind = DifferenceKind.BENIGN_LEFT_BETWEEN if between else DifferenceKind.ENTERED
            yield kind, seen.entered[queue], visits
    for queue, entries in seen.entered.items():
        if queue not in books and queue not in tried:
            yield DifferenceKind.ENTERED, entries, 0


def _connected(seen: Seen, facts: Sequence[Told]) -> _Found:
    answers = Counter(
        (fact.detail["queue"], fact.detail["interface"].rpartition("/")[2])
        for fact in facts
        if fact.what == "answered" and fact.detail["via"] in _BY_QUEUE
    )
    surplus, missing = (seen.connected - answers).total(), (answers - seen.connected).total()
    if missing or surplus > seen.never_talked:
        yield DifferenceKind.CONNECTED, seen.connected.total(), answers.total()
    elif surplus:
        yield DifferenceKind.BENIGN_NEVER_TALKED, seen.connected.total(), answers.total()
    if seen.talks and not seen.restarted:
        yield DifferenceKind.NOT_COMPLETED, seen.completed, answers.total()


def _left(seen: Seen, facts: Sequence[Told]) -> _Found:
    """ABANDON is written when the caller hangs up, and when they are led elsewhere by force."""
    record = fold(facts)
    waited = record.ended_stage in {Stage.WAITING, Stage.OVERFLOW, Stage.TALKING}
    by_caller = record.ended_by is EndedBy.CALLER and waited
    abandoned = seen.left["ABANDON"]
    if abandoned and not by_caller:
        went_on = any(fact.at.timestamp() > seen.last_at + _SECOND for fact in facts if fact.what != "ended")
        kind = DifferenceKind.BENIGN_REDIRECTED if went_on else DifferenceKind.ABANDONED
        yield kind, abandoned, 0
    elif abandoned > 1:
        yield DifferenceKind.ABANDONED, abandoned, 1
    if seen.waits_in and not seen.restarted and record.ended_by is not EndedBy.FAULT:
        yield DifferenceKind.STILL_WAITING, 1, 0
    if by_caller and record.ended_stage is Stage.WAITING and not abandoned and not seen.waits_in:
        yield DifferenceKind.BENIGN_LEFT_BETWEEN, 0, 1
