"""Every call shape that the real Asterisk makes, as it said it then: what it means does not change unnoticed."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from pbx.facts import CallFact
from tests.asterisk.line import CALLER_KEY, PASSWORD
from tests.replay.record import RECORDINGS, facts_of, told_by
from tests.replay.scene import Shape, play
from tests.replay.scrub import leaks, scrub
from tests.replay.shapes import SHAPES
from tests.replay.table import table, untimed

RECORDED = sorted(RECORDINGS.glob("*.ami"))


def test_every_shape_is_recorded_and_nothing_else() -> None:
    assert {path.stem for path in RECORDED} == {shape.name for shape in SHAPES}
    assert {path.stem for path in RECORDINGS.glob("*.facts")} == {shape.name for shape in SHAPES}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_table_begins_with_what_happens_in_its_shape(shape: Shape) -> None:
    assert (RECORDINGS / f"{shape.name}.facts").read_text().startswith(f"# {shape.says}\n")


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_shape_tells_its_facts(path: Path) -> None:
    expected = path.with_suffix(".facts").read_text()
    title = expected.partition("\n")[0].removeprefix("# ")
    facts, refused = await told_by(path)
    assert table(facts, title, refused) == expected


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recording_holds_nothing_of_a_person_or_a_machine(path: Path) -> None:
    raw = path.read_bytes()
    marks = (PASSWORD, CALLER_KEY, platform.node(), "Exemple")
    assert leaks(raw.decode(), marks) == []
    assert scrub(raw) == raw, "scrubbing it again changes nothing"
    assert len(raw) < 100_000


async def test_the_asterisk_of_today_tells_the_facts_that_were_recorded(tmp_path: Path) -> None:
    shape = next(shape for shape in SHAPES if shape.name == "listener-lost-and-back")
    raw = tmp_path / "raw.ami"
    live = await play(shape, tmp_path, raw)
    assert {type(fact) for fact in live} == {type(fact) for fact in await facts_of(raw)}
    again = tmp_path / "again.ami"
    again.write_bytes(scrub(raw.read_bytes()))
    now, recorded = await facts_of(again), await facts_of(RECORDINGS / f"{shape.name}.ami")
    # A phone's state and the call's own words come over different channels: between the two there is no order.
    for of_calls in (True, False):
        told, kept = (
            untimed(table(fact for fact in facts if isinstance(fact, CallFact) is of_calls))
            for facts in (now, recorded)
        )
        assert (told if of_calls else sorted(set(told))) == (kept if of_calls else sorted(set(kept)))
