"""What is stored of the calls of `line_model.py`, and what of it is certain however their events came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pbx.facts import PRESUMED, CallFact, Fact
from service.calls.fold import Record, fold, told
from service.calls.told import Told


@dataclass
class Archive:
    """What is stored: each fact once, by its key."""

    facts: dict[tuple[str, str, int], Told] = field(default_factory=dict)

    def store(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, CallFact):
                kept = told(fact)
                self.facts.setdefault((fact.call_id, kept.what, kept.ordinal), kept)

    def by_call(self) -> dict[str, list[Told]]:
        by_call: dict[str, list[Told]] = defaultdict(list)
        for (call_id, _, _), fact in self.facts.items():
            by_call[call_id].append(fact)
        return by_call

    def records(self) -> dict[str, Record]:
        return {call_id: _comparable(facts) for call_id, facts in self.by_call().items()}

    def certain(self) -> dict[tuple[str, str, int], object]:
        """By key. A phone is told to ring twice; of an end that nobody saw, neither instant nor stage is certain.

        An end that was presumed does not count beside one that was told.
        """
        told_ends = {call_id for call_id, what, ordinal in self.facts if what == "ended" and ordinal != PRESUMED}
        return {
            key: _certain(fact)
            for key, fact in self.facts.items()
            if not (key[1:] == ("ended", PRESUMED) and key[0] in told_ends)
        }


def _certain(fact: Told) -> object:
    if fact.key == ("ended", PRESUMED):
        return fact.detail["by"]
    return fact.detail, None if fact.what in {"rung", "rang-out"} else fact.at


def ways(facts: list[Told]) -> set[str]:
    """How far a call came."""
    found = {_WAYS.get(fact.detail.get("via", fact.what), "") for fact in facts}
    answered = [fact.ordinal for fact in facts if fact.what == "answered"]
    if answered:
        found.add("an answer")
        ends = [fact for fact in facts if fact.what in {"listener-lost", "ended"}]
        if any(fact.ordinal > min(answered) for fact in ends):
            found.add("a conversation's end")
    return found - {""}


_WAYS = {
    "return": "the same listener again",
    "centre-queue": "a centre's listener",
    "centre-telephone": "a centre's telephone",
    "rang-out": "a ring in vain",
}


def _comparable(facts: list[Told]) -> Record:
    """An end that nobody saw has no instant: only that it was after everything else."""
    record = fold(facts)
    if record.ended_at is not None and all(fact.ordinal == PRESUMED for fact in facts if fact.what == "ended"):
        assert record.ended_at >= max(fact.at for fact in facts)
        waited = record.wait_seconds if record.answered_at else None
        return replace(record, ended_at=None, wait_seconds=waited, waiting_seconds=None, talk_seconds=None)
    return record
