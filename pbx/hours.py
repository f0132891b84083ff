"""Opening hours as people write them, and as the dialplan's GotoIfTime reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pbx.errors import SetupError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"(?:{'|'.join(DAYS)})"
_PHRASE = re.compile(rf"({_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*) (\d\d):(\d\d)-(\d\d):(\d\d)")
_MIDNIGHT = 24 * 60


@dataclass(frozen=True, slots=True)
class Opening:
    """Minutes of the day from `start` up to but without `end`, on the given days (0 = Monday)."""

    days: frozenset[int]
    start: int
    end: int


def parse(phrase: str) -> list[Opening]:
    """`mon-fri 09:00-18:30`, `sat,sun 10:00-24:00`; `fri 22:00-02:00` goes on into Saturday."""
    match = _PHRASE.fullmatch(phrase)
    if not match:
        raise _refused(phrase)
    start, end = (60 * int(match[at]) + int(match[at + 1]) for at in (2, 4))
    if int(match[3]) > 59 or int(match[5]) > 59 or start >= _MIDNIGHT or end > _MIDNIGHT or start == end:
        raise _refused(phrase)
    days = frozenset(_days(match[1]))
    if start < end:
        return [Opening(days, start, end)]
    openings = [Opening(days, start, _MIDNIGHT)]
    if end:
        openings.append(Opening(frozenset((day + 1) % 7 for day in days), 0, end))
    return openings


def conditions(openings: Iterable[Opening], timezone: str) -> Iterator[str]:
    """The arguments of GotoIfTime, one for each run of days. Its last minute is inside the range: 18:00 is 17:59.

    https://docs.asterisk.org/Latest_API/API_Documentation/Dialplan_Applications/GotoIfTime/
    """
    for opening in openings:
        for first, last in _runs(opening.days):
            days = "*" if len(opening.days) == 7 else DAYS[first] if first == last else f"{DAYS[first]}-{DAYS[last]}"
            yield f"{_clock(opening.start)}-{_clock(opening.end - 1)},{days},*,*,{timezone}"


def _days(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        yield from ((start + step) % 7 for step in range((end - start) % 7 + 1))


def _runs(days: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Days that follow each other, as (first, last)."""
    start: int | None = None
    for day in range(8):
        if day in days and start is None:
            start = day
        elif day not in days and start is not None:
            yield start, day - 1
            start = None


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _refused(phrase: str) -> SetupError:
    return SetupError(
        "hours-refused",
        f"The opening hours {phrase!r} are not understood.",
        "Write them like 'mon-fri 09:00-18:30' or 'sat,sun 10:00-24:00'.",
    )
