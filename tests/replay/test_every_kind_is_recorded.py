"""Every kind of fact, and every word of a fact or of a call's record, is in a recording, or excused by name."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pbx import facts
from pbx.facts import PRESUMED, AnsweredVia, CallEnded, CallFact, DeviceState, EndedBy, Fact, Stage
from service.calls.fold import fold, journey_of, told
from service.calls.model import Reason, Result
from service.calls.visits import Outcome
from service.cli.sentences import number_kind
from tests.replay.record import RECORDINGS, told_by

Word = tuple[str, str]  #: what speaks, like `CallEnded.by`, and what it says

DIALPLAN = "\n".join(
    line
    for file in (Path(__file__).parents[2] / "dialplan").glob("*.conf")
    for line in file.read_text().splitlines()
    if not line.startswith(";")
)


def written(pattern: str) -> set[str]:
    """Words that the shipped dialplan writes at such a place."""
    found = set(re.findall(pattern, DIALPLAN))
    assert found, f"the dialplan has no {pattern}"
    return found


NO_YES = {"False", "True"}
#: All that may be said, from where it is defined: the facts, the dialplan, the record of a call.
EVERY: dict[str, set[str]] = {
    "fact": {name for name, kind in vars(facts).items() if isinstance(kind, type) and issubclass(kind, Fact)}
    - {"Fact", "CallFact"},
    "step": written(r"Gosub\(step,s,1\(([a-z-]+),"),
    "CallEntered.caller_token": {"encrypted", *written(r"Set\(CALLER_TOKEN=([a-z]+)\)")},
    "CallAnswered.via": set(AnsweredVia),
    "OverflowBegan.by": written(r"Set\(OVERFLOW_BY=([a-z]+)\)"),
    "OverflowBegan.target": {"ask", "centre"},
    "DepartmentKeyed.department": {"none", "two digits", "three digits"},
    "CentreCalled.way": written(r"centre-called,\$\{CENTRE\} ([a-z]+)\)"),
    "CentreRefused.reason": written(r"Set\(REFUSED=([a-z-]+)\)"),
    "ListenerRung.queue": {"national", "return", "centre"},
    "ListenerRangOut.queue": {"national", "return", "centre"},
    "ListenerLost.interface": {"listener", "centre"},
    "CallEnded.by": set(EndedBy),
    "CallEnded.stage": set(Stage),
    "CallEnded.ringing": NO_YES,
    "CallEnded presumed": NO_YES,
    "MemberChanged.pause_reason": {"", *written(r"hold-listener,s,1\(([a-z-]+)\)")},
    "MemberChanged.device": set(DeviceState),
    "PhoneChanged.reachable": NO_YES,
    "PhoneChanged.removed": NO_YES,
    "PbxConnected.restarted": NO_YES,
    "PbxConnected.gone": NO_YES,
    "busy tone": {"heard"},
    "result": set(Result),
    "reason": set(Reason),
    "visit": set(Outcome),
}


def _whose(queue: str) -> str:
    return "centre" if queue.startswith("centre-") else queue


#: How a value is told where it may be anything: by its kind.
WORDS: dict[str, Callable[[Any], object]] = {
    "CallEntered.caller_token": number_kind,
    "OverflowBegan.target": lambda target: target.partition(":")[0],
    "DepartmentKeyed.department": lambda code: {0: "none", 2: "two digits", 3: "three digits"}[len(code)],
    "ListenerRung.queue": _whose,
    "ListenerRangOut.queue": _whose,
    "ListenerLost.interface": lambda interface: "listener" if "/" in interface else "centre",
    "PbxConnected.gone": bool,
}

#: What no recording says, and why.
NOT_RECORDED: dict[Word, str] = {
    ("CallEnded.stage", "ended"): "where a call is once it has ended: it ends from somewhere else",
    ("reason", "ended-unheard"): "a race of Asterisk's own threads that the shipped dialplan leaves some ms "
    "(tests/integration/live/test_exits.py holds it open)",
    ("MemberChanged.device", "unknown"): "a member without a phone's account: no shape adds one",
    ("MemberChanged.device", "invalid"): "a member without a phone's account: no shape adds one",
    ("MemberChanged.device", "busy"): "a phone with `device_state_busy_at`, which pjsip.conf sets nowhere",
    ("MemberChanged.device", "ringing-while-talking"): "ringinuse=no: a phone in a conversation is not rung",
}


def said(told_facts: Iterable[Fact], refused: int) -> Iterator[Word]:
    """All that a recording says."""
    calls: dict[str, list[CallFact]] = defaultdict(list)
    for fact in told_facts:
        yield from _of_a_fact(fact)
        if isinstance(fact, CallFact):
            calls[fact.call_id].append(fact)
    for mine in calls.values():
        yield from _of_a_record(mine)
    if refused:
        yield "busy tone", "heard"


def _of_a_fact(fact: Fact) -> Iterator[Word]:
    kind = type(fact).__name__
    yield "fact", kind
    if isinstance(fact, CallEnded):
        yield "CallEnded presumed", str(fact.ordinal == PRESUMED)
    for name in fact.__dataclass_fields__:
        if f"{kind}.{name}" in EVERY:
            yield f"{kind}.{name}", _word(f"{kind}.{name}", getattr(fact, name))


def _word(speaker: str, value: Any) -> str:
    return str(WORDS.get(speaker, str)(value))


def _of_a_record(mine: list[CallFact]) -> Iterator[Word]:
    """Of its record, and of the dialplan's steps: `connecting` is told as an answer."""
    stored = [told(fact) for fact in mine]
    record = fold(stored)
    for fact in stored:
        if fact.what not in {"rung", "rang-out"}:
            yield "step", "connecting" if fact.what == "answered" else fact.what
    if record.result and record.reason:
        yield "result", record.result
        yield "reason", record.reason
    for visit in journey_of(stored).visits:
        if visit.outcome:
            yield "visit", visit.outcome


@pytest.fixture(scope="module")
def recorded() -> dict[str, set[str]]:
    """What all the recordings say together."""

    async def read() -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for path in sorted(RECORDINGS.glob("*.ami")):
            for speaker, word in said(*await told_by(path)):
                found[speaker].add(str(word))
        return found

    return asyncio.run(read())


@pytest.mark.parametrize("speaker", EVERY)
def test_every_word_that_can_be_said_is_in_a_recording(recorded: dict[str, set[str]], speaker: str) -> None:
    excused = {word for who, word in NOT_RECORDED if who == speaker}
    assert {str(word) for word in EVERY[speaker]} - recorded[speaker] == excused


@pytest.mark.parametrize("speaker", EVERY)
def test_no_recording_says_a_word_that_is_not_known(recorded: dict[str, set[str]], speaker: str) -> None:
    assert recorded[speaker] <= {str(word) for word in EVERY[speaker]}


def test_whatever_is_excused_could_be_said() -> None:
    assert all(word in {str(known) for known in EVERY[speaker]} for speaker, word in NOT_RECORDED)
