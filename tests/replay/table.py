"""Facts as a text table that reads as a story: seconds since the first word, the fact, and all that it says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Final

from pbx.facts import CallFact, Fact

#: Told in columns of their own, or the same for all.
_APART: Final = {"pbx", "at", "call_id", "ordinal"}

#: Told by later recordings alone.
_IF_ANY: Final = {"ringing"}

_MOMENTS: Final = re.compile(r" (?:arrived|device)=\S+")


def table(facts: Iterable[Fact], title: str = "", refused: int = 0) -> str:
    """One line each: seconds, `call 2 #3` where it is about a call, the fact's name, its words.

    `refused`: callers who heard the busy tone, who are no call and of whom no fact tells; in a last line.
    """
    facts = list(facts)
    start = facts[0].at if facts else 0.0
    calls: dict[str, int] = {}
    lines = [f"# {title}"] if title else []
    for fact in facts:
        about = ""
        if isinstance(fact, CallFact):
            about = f"call {calls.setdefault(fact.call_id, len(calls) + 1)} #{fact.ordinal}"
        lines.append(f"{fact.at - start:8.3f}  {about:<11} {type(fact).__name__:<17} {_words(fact)}".rstrip())
    if refused:
        lines.append(f"# heard the busy tone, and were no call: {refused}")
    return "\n".join(lines) + "\n"


def _words(fact: Fact) -> str:
    said = (
        (field.name, getattr(fact, field.name))
        for field in dataclasses.fields(fact)
        if field.name not in _APART and (field.name not in _IF_ANY or getattr(fact, field.name))
    )
    return " ".join(f"{name}={_word(value)}" for name, value in said)


def _word(value: object) -> str:
    if isinstance(value, frozenset):
        return ",".join(sorted(map(str, value))) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace(" ", "·") or "-"


def untimed(told: str) -> list[str]:
    """What two runs of one shape have in common: the lines without their moments.

    And without a phone's device state: Asterisk tells only the last one when two follow closely.
    """
    return [_MOMENTS.sub("", line[10:]) for line in told.splitlines() if not line.startswith("#")]
