"""Makes the recordings anew, on the real Asterisk:

    python -m tests.replay.record                    # all of them: a quarter of an hour
    python -m tests.replay.record pbx-killed closed  # those whose names begin so
    python -m tests.replay.record --tables           # without Asterisk: only the tables, of what is recorded
    python -m tests.replay.record --list

Look at the tables' differences (`git diff tests/replay/recordings`) before you keep them: a changed fact is a change of
what the service knows of a call.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from pbx.facts import Fact
from pbx.replay import RecordedSessions
from tests.replay.scene import Shape, play
from tests.replay.scrub import scrub
from tests.replay.shapes import SHAPES
from tests.replay.table import table

RECORDINGS = Path(__file__).parent / "recordings"


async def told_by(path: Path) -> tuple[list[Fact], int]:
    """The facts that a recording tells, and how many callers heard the busy tone in it: of them no fact tells."""
    sessions = RecordedSessions(path)
    return [fact async for batch in sessions.batches() for fact in batch], sessions.state.refused


async def facts_of(path: Path) -> list[Fact]:
    """What a recording tells."""
    return (await told_by(path))[0]


async def record(shape: Shape, into: Path) -> None:
    """Play it and keep it: `<name>.ami`, scrubbed, and `<name>.facts`."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.ami"
        await play(shape, Path(folder), raw)
        kept = into / f"{shape.name}.ami"
        kept.write_bytes(scrub(raw.read_bytes()))
    await tell(shape, into)


async def tell(shape: Shape, into: Path) -> None:
    """Write the table of a recording that is there."""
    facts, refused = await told_by(into / f"{shape.name}.ami")
    (into / f"{shape.name}.facts").write_text(table(facts, shape.says, refused))


def main() -> int:
    """Exit code 1 when a shape could not be played."""
    parser = argparse.ArgumentParser(description="Make the recordings of call shapes anew, on the real Asterisk.")
    parser.add_argument("names", nargs="*", help="names of shapes, or how they begin; default: all")
    parser.add_argument("--tables", action="store_true", help="only the tables, of the recordings that are there")
    parser.add_argument("--list", action="store_true", help="name the shapes, make nothing")
    given = parser.parse_args()
    chosen = [shape for shape in SHAPES if not given.names or shape.name.startswith(tuple(given.names))]
    failed = 0
    for shape in chosen:
        print(f"{shape.name}: {shape.says}", flush=True)
        if given.list:
            continue
        try:
            asyncio.run((tell if given.tables else record)(shape, RECORDINGS))
        except AssertionError as error:
            failed += 1
            print(f"{shape.name} could not be played: {error}", file=sys.stderr, flush=True)
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
