"""The rows in their order, and docs/ami-session.md, which is written from them.

python -m tests.unit.pbx.panoramisk_failures.table --write
"""

from __future__ import annotations

import sys
from pathlib import Path

from pbx.odd import LOG_EVERY_SECONDS, Odd
from pbx.protocol import FRAME_CAP, HIGH_WATER, LOW_WATER
from pbx.session import Timing
from tests.unit.pbx.panoramisk_failures import answers, connection, frames, handlers, unused
from tests.unit.pbx.panoramisk_failures.cases import Case

ROWS: tuple[type[Case], ...] = (
    handlers.AnExceptionInAHandler,
    handlers.HandlersOutOfOrder,
    handlers.HandlersWithoutBound,
    handlers.ExceptionsOfCoroutinesLost,
    handlers.EventsOfAPendingAction,
    handlers.NoWayToUnregister,
    answers.NoDeadline,
    answers.ADropBeforeTheAnswer,
    answers.AnErrorToAList,
    answers.HalfAList,
    answers.WithoutFullyBooted,
    answers.CloseWhileAnActionWaits,
    answers.TheSameActionIdTwice,
    answers.AValueThatCannotBeEncoded,
    answers.SentTwice,
    answers.SentThreeTimes,
    answers.OriginateWithoutAsync,
    answers.ListsGuessedFromEnglish,
    answers.ALineEndInAValue,
    connection.HalfOpen,
    connection.ARefusedLogin,
    connection.ALoginWithoutAnswer,
    connection.AuthenticatedAfterADrop,
    connection.ConnectedAfterClose,
    frames.ALetterBetweenTwoReads,
    frames.AnEmptyLastHeader,
    frames.ASecondEventHeader,
    frames.AHugeFrame,
    unused.CallsOfOneSecond,
    unused.AFastAgiClientThatLeaves,
)

PAGE = Path(__file__).parents[4] / "docs" / "ami-session.md"

_TIMING = Timing()
_SILENT = f"{_TIMING.dead_after + _TIMING.look_every:.1f} s (a ping every {_TIMING.ping_every:g} s)"
_AGAIN = f"half to the whole of {_TIMING.retry_first:g} s, doubled at each failure up to {_TIMING.retry_most:g} s"
_HEAD = f"""\
# The session with Asterisk

<!-- Written by `python -m tests.unit.pbx.panoramisk_failures.table --write`; a test checks that it is current. -->

`pbx.session.Session` is one login at the manager interface (AMI), `pbx.protocol.PbxProtocol` its connection: subclasses
of panoramisk 1.4's `Manager` and `AMIProtocol` that replace what fails there.
`pbx.link.PbxLink` holds the session of one PBX, connects again, and hands out facts in order; each PBX of the settings
has a link of its own.

| what | value |
|---|---|
| a connection that says nothing is left within | {_SILENT} |
| deadline of an action; of a list | {_TIMING.action:g} s; {_TIMING.listing:g} s |
| deadline to connect; to log in | {_TIMING.connect:g} s; {_TIMING.login:g} s |
| next attempt after | {_AGAIN} |
| refused credentials | told once, tried again after {_TIMING.refused_again:g} s, with the secret as it is stored then |
| greatest frame | {FRAME_CAP // 1024} kB |
| reading pauses at, goes on at | {HIGH_WATER:,} and {LOW_WATER:,} events that wait |

## What fails in panoramisk 1.4, and what ours does

Each row is shown by two tests over the same fake manager interface and a real socket: the stock classes fail, ours
hold (`tests/unit/pbx/panoramisk_failures`).

| # | when | panoramisk 1.4 | ours |
|---|---|---|---|
"""
_ODD = f"""
## What is counted

What comes and is of no use costs itself alone: the stream goes on. `PbxLink.odd` counts it by kind since the start; the
log says each kind at its first time and then at most once in {LOG_EVERY_SECONDS:g} s, without what was in the frame.

| kind | what |
|---|---|
"""


def page() -> str:
    """The page as it has to be."""
    rows = [f"| {n} | {row.situation} | {row.stock} | {row.ours} |" for n, row in enumerate(ROWS, 1)]
    odd = [f"| `{kind.name.lower()}` | {kind.value} |" for kind in Odd]
    return _HEAD + "\n".join(rows) + "\n" + _ODD + "\n".join(odd) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
    else:
        sys.stdout.write(page())
