"""A journal that was damaged, rotated or replaced: what can be read is read, what cannot be is counted and named."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx import journal
from pbx.events import CallStep, Event
from pbx.facts import CallFact
from pbx.journal import JournalReplay, Position
from pbx.journal_file import LINE_CAP, Fault, FaultKind
from tests.unit.pbx.ami_frames import Wire, eventful_call
from tests.unit.pbx.test_journal import TOKEN, purge_all, told

START = Position()


def read_all(
    path: Path, position: Position = START, limit: int = 1 << 20, *, pbx: str = ""
) -> tuple[list[Event], Position, list[Fault]]:
    """Until the position stays; the faults too."""
    events: list[Event] = []
    faults: list[Fault] = []
    for _ in range(10_000):
        more, after = journal.read(path, position, limit, pbx=pbx, note=faults.append)
        events += more
        if after == position:
            return events, after, faults
        position = after
    raise AssertionError("no end")


def steps(events: list[Event]) -> list[int]:
    return [event.n for event in events if isinstance(event, CallStep)]


def a_step(n: int, at: float = 0.0) -> bytes:
    """Step `n` of a call; each line has its own instant, as Asterisk's have."""
    wire = Wire()
    wire.at = at or 1000.0 + n
    wire.step(n, "queued national")
    return wire.journal[0]


FIRST, SECOND, THIRD = a_step(1), a_step(2), a_step(3)
CAPITALS = FIRST.replace(b'"eventtime"', b'"EventTime"')
ELSEWHERE = FIRST.replace(b"pbx1-", b"other-")

DAMAGE: dict[str, tuple[bytes, FaultKind]] = {
    "rubbish": (b"rubbish\n", FaultKind.NOT_JSON),
    "binary": (b"\x07\xff\xfe\x9c\x01\x02\n", FaultKind.NOT_JSON),
    "no text in its place": (FIRST.replace(b"queued", b"que\xff\xfeed"), FaultKind.NOT_TEXT),
    "a list": (b"[1, 2]\n", FaultKind.OTHER_SHAPE),
    "a number": (b"17\n", FaultKind.OTHER_SHAPE),
    "an empty object": (b"{}\n", FaultKind.OTHER_SHAPE),
    "fields of other types": (b'{"eventtime": 5, "eventtype": "STEP"}\n', FaultKind.OTHER_SHAPE),
    "other names of fields": (CAPITALS, FaultKind.OTHER_SHAPE),
    "comma separated": (b'"1000.25","STEP","c","pbx1-100.0"\n', FaultKind.OTHER_SHAPE),
    "another Asterisk's": (ELSEWHERE, FaultKind.OTHER_PBX),
    "a step without a number": (FIRST.replace(b" 1 queued", b" x queued"), FaultKind.NO_STEP),
    "details that are no object": (FIRST.replace(b'"eventextra": "{', b'"eventextra": "<'), FaultKind.NO_STEP),
    "a time that is none": (FIRST.replace(b'"eventtime": "1', b'"eventtime": "x'), FaultKind.NO_INSTANT),
    "a time of another age": (FIRST.replace(b'"eventtime": "1', b'"eventtime": "99999999991'), FaultKind.NO_INSTANT),
    "NULs": (b"\0" * 500 + b"\n", FaultKind.NULS),
    "longer than any line": (b"x" * (LINE_CAP + 5000) + b"\n", FaultKind.TOO_LONG),
    "far longer than any line": (b"x" * (5 * LINE_CAP) + b"\n", FaultKind.TOO_LONG),
}


@pytest.mark.parametrize("limit", [1, 300, 1 << 17])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_line_that_is_none_is_named_by_its_place_and_the_rest_is_read(tmp_path: Path, what: str, limit: int) -> None:
    path = tmp_path / "journal.json"
    line, kind = DAMAGE[what]
    path.write_bytes(SECOND + line + THIRD)
    events, end, faults = read_all(path, limit=limit, pbx="pbx1")
    assert steps(events) == [2, 3]
    assert faults == [Fault("journal.json", len(SECOND), kind)]
    assert end.offset == path.stat().st_size


@pytest.mark.parametrize("limit", [1, 300, 1 << 17])
@pytest.mark.parametrize(
    ("junk", "kinds"),
    [
        (b"\0" * 300, [FaultKind.NULS]),
        (b"\0" * (3 * LINE_CAP + 17), [FaultKind.NULS]),
        (FIRST[:90], [FaultKind.HALF]),
        (FIRST[:90] + b"\0" * 100, [FaultKind.NULS]),
    ],
    ids=["NULs", "many NULs", "a half line", "a half line and NULs"],
)
def test_a_whole_line_behind_what_a_power_cut_or_a_full_disk_left_is_read(
    tmp_path: Path, junk: bytes, kinds: list[FaultKind], limit: int
) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(SECOND + junk + THIRD)
    events, _, faults = read_all(path, limit=limit)
    assert steps(events) == [2, 3]
    assert [fault.kind for fault in faults] == kinds
    assert {fault.offset for fault in faults} == {len(SECOND)}


def test_lines_that_end_as_on_other_systems_and_empty_lines_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(FIRST.replace(b"\n", b"\r\n") + b"\r\n\n" + SECOND)
    events, _, faults = read_all(path)
    assert (steps(events), faults) == ([1, 2], [])


def test_what_no_tracker_needs_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(b'{"eventtime":"5.5","eventtype":"CHAN_START","uniqueid":"else-1.1"}\n' + FIRST)
    assert read_all(path, pbx="pbx1")[2] == []


def test_a_last_line_without_its_end_is_waited_for_and_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(FIRST + SECOND[:-20])
    events, place, faults = read_all(path)
    assert (steps(events), faults, place.offset) == ([1], [], len(FIRST))
    with path.open("ab") as file:
        file.write(SECOND[-20:])
    assert steps(read_all(path, place)[0]) == [2]


# --- rotation ---------------------------------------------------------------------------------------------------------


def renamed(path: Path, name: str) -> None:
    path.rename(path.parent / name)


def copied_and_emptied(path: Path, name: str) -> None:
    shutil.copy(path, path.parent / name)
    os.truncate(path, 0)


def renamed_and_packed(path: Path, name: str) -> None:
    with gzip.open(path.parent / f"{name}.gz", "wb") as packed:
        packed.write(path.read_bytes())
    path.unlink()


def packed_with_xz(path: Path, name: str) -> None:
    with lzma.open(path.parent / f"{name}.xz", "wb") as packed:
        packed.write(path.read_bytes())
    path.unlink()


WAYS = [renamed, copied_and_emptied, renamed_and_packed, packed_with_xz]


@pytest.mark.parametrize("limit", [1, 1 << 17])
@pytest.mark.parametrize("way", WAYS)
def test_of_several_rotations_between_two_readings_none_loses_a_line(
    tmp_path: Path, way: Callable[[Path, str], None], limit: int
) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2))
    _, place = journal.read(path, Position(), 1)
    for n in (3, 5, 7):
        with path.open("ab") as file:
            file.write(a_step(n))
        way(path, f"journal.json-{n}")
        path.write_bytes(a_step(n + 1))
    events, end, faults = read_all(path, place, limit)
    assert steps(events) == [2, 3, 4, 5, 6, 7, 8]
    assert faults == []
    assert end == journal.end(path)


def test_a_new_file_that_got_the_old_one_s_inode_is_not_mistaken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1))
    _, place, _ = read_all(path)
    path.write_bytes(a_step(2) + a_step(3) + a_step(4))  # the same inode, other content, and longer
    assert path.stat().st_ino == place.inode
    events, _, faults = read_all(path, place)
    assert steps(events) == [2, 3, 4]
    assert [fault.kind for fault in faults] == [FaultKind.FILE_GONE]


def test_emptied_in_place_and_written_beyond_the_old_place_nothing_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2))
    _, place = journal.read(path, Position(), 1)
    copied_and_emptied(path, "journal.json.1")
    path.write_bytes(b"".join(a_step(n) for n in range(3, 9)))
    events, _, faults = read_all(path, place)
    assert steps(events) == [2, 3, 4, 5, 6, 7, 8]
    assert faults == []


def test_a_file_that_was_removed_before_it_was_read_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2))
    _, place = journal.read(path, Position(), 1)
    path.unlink()
    assert read_all(path, place) == ([], place, []), "no journal yet: nothing is known to be lost"
    path.write_bytes(a_step(3) + a_step(4))
    events, _, faults = read_all(path, place)
    assert steps(events) == [3, 4]
    assert faults == [Fault("journal.json", place.offset, FaultKind.FILE_GONE)]


def test_an_older_copy_of_the_journal_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2) + a_step(3))
    _, place, _ = read_all(path)
    path.unlink()
    path.write_bytes(a_step(1) + a_step(9))  # from a backup; Asterisk wrote on
    assert steps(read_all(path, place)[0]) == [1, 9]


def test_a_restored_journal_under_another_inode_goes_on_where_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2))
    _, place = journal.read(path, Position(), 1)
    shutil.copy(path, tmp_path / "copy")
    path.unlink()
    (tmp_path / "other").write_bytes(b"takes the inode")
    (tmp_path / "copy").rename(path)
    events, _, faults = read_all(path, place)
    assert (steps(events), faults) == ([2], [])


def test_a_half_line_at_the_end_of_a_file_that_was_rotated_away_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + SECOND[:-20])
    _, place, _ = read_all(path)
    renamed(path, "journal.json.1")
    path.write_bytes(a_step(3))
    events, _, faults = read_all(path, place)
    assert steps(events) == [3]
    assert faults == [Fault("journal.json.1", len(FIRST), FaultKind.HALF)]


def test_a_packed_file_that_is_damaged_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2))
    _, place = journal.read(path, Position(), 1)
    renamed_and_packed(path, "journal.json.1")
    packed = tmp_path / "journal.json.1.gz"
    packed.write_bytes(packed.read_bytes()[:-12])
    path.write_bytes(a_step(3))
    events, _, faults = read_all(path, place)
    assert steps(events)[-1] == 3
    assert {fault.kind for fault in faults} <= {FaultKind.UNPACKABLE, FaultKind.FILE_GONE}
    assert faults


def test_a_place_of_an_older_version_is_found_by_its_inode(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(a_step(1) + a_step(2))
    place = Position(path.stat().st_ino, len(FIRST))
    renamed(path, "journal.json.1")
    path.write_bytes(a_step(3))
    renamed(path, "journal.json.0")
    path.write_bytes(a_step(4))
    assert steps(read_all(path, place)[0]) == [2, 3, 4]


def test_the_end_is_that_of_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    assert journal.end(path) is None
    path.write_bytes(FIRST[:-1])
    assert journal.end(path) is None
    path.write_bytes(FIRST + SECOND[:-1])
    found = journal.end(path)
    assert found is not None
    assert (found.offset, found.began) == (len(FIRST), 1_001_249_000)
    assert steps(read_all(path, found)[0]) == []


# --- any cut gives the same facts -------------------------------------------------------------------------------------


def three_calls() -> list[bytes]:
    """Their lines, mixed, each with an instant of its own."""
    wires = [eventful_call(f"9d0c7d3e-1b1f-4f0a-9a3e-00000000000{n}") for n in range(3)]
    lines = []
    for place, mixed in enumerate(zip(*(wire.journal for wire in wires), strict=True)):
        for n, line in enumerate(mixed):
            entry = json.loads(line)
            entry["eventtime"] = f"{1000 + place + n / 10:.6f}"
            entry["uniqueid"] = entry["uniqueid"].replace("-100.", f"-{100 + n}.")
            entry["linkedid"] = entry["linkedid"].replace("-100.", f"-{100 + n}.")
            lines.append(json.dumps(entry).encode() + b"\n")
    return lines


LINES = three_calls()


def facts_of(events: list[Event]) -> list[CallFact]:
    return JournalReplay("pbx1").feed(events)


WHOLE = facts_of([event for line in LINES if (event := journal.parse_line(line)) is not None])


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Asterisk writes so many bytes (lines, or more), somebody rotates in some way, we read at most so many once."""
    done = draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("write"), st.one_of(st.integers(1, 4000), st.just(0))),
                st.tuples(st.just("rotate"), st.integers(0, len(WAYS) - 1)),
                st.tuples(st.just("read"), st.sampled_from([1, 200, 1000, 1 << 17])),
            ),
            max_size=40,
        )
    )
    return [*done, ("write", 1 << 30)]


@settings(max_examples=300, deadline=None)
@given(stories())
def test_any_cut_into_readings_and_any_rotations_give_the_same_facts(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int]]
) -> None:
    """No rotation in the middle of a line: Asterisk writes it at once."""
    path = tmp_path_factory.mktemp("journal") / "journal.json"
    path.write_bytes(LINES[0])
    place, events, faults = Position(path.stat().st_ino, 0, 1_000_000_000), list[Event](), list[Fault]()
    written, rest = 0, b"".join(LINES[1:])
    for n, (what, value) in enumerate(story):
        if what == "write":
            cut = min(len(rest), written + value) if value else rest.find(b"\n", written) + 1 or len(rest)
            with path.open("ab") as file:
                file.write(rest[written:cut])
            written = cut
        elif what == "rotate" and path.stat().st_size and rest[:written].endswith((b"\n", b"")):
            if path.read_bytes().endswith(b"\n"):
                WAYS[value](path, f"journal.json.{n}")
                path.touch()
        elif what == "read":
            more, place = journal.read(path, place, value, note=faults.append)
            events += more
    more, _, later = read_all(path, place)
    assert faults + later == []
    assert facts_of(events + more) == WHOLE


# --- callers' tokens in files that were rotated away ------------------------------------------------------------------


def told_at(at: int) -> bytes:
    return told(TOKEN, at).replace(b'"1.5"', b'"%d.5"' % at)


@pytest.mark.parametrize("way", WAYS)
def test_tokens_leave_every_file_up_to_the_place_however_it_was_rotated(
    tmp_path: Path, way: Callable[[Path, str], None]
) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(told_at(1) + told_at(2))
    done = purge_all(path, Position(), Position(path.stat().st_ino, len(told_at(1)), 1_500_000))
    for n in (3, 5):
        way(path, f"journal.json-{n}")
        path.write_bytes(told_at(n) + told_at(n + 1))
    until = Position(path.stat().st_ino, len(told_at(5)), 5_500_000)
    before, _, _ = read_all(path, done)
    assert purge_all(path, done, until) == until
    there = [file for file in tmp_path.iterdir() if file != path]
    assert len(there) == 2
    for file in there:
        data = file.read_bytes()
        if file.suffix == ".gz":
            data = gzip.decompress(data)
        elif file.suffix == ".xz":
            data = lzma.decompress(data)
        assert TOKEN not in data
        assert data.count(b"purged") == 2
    assert path.read_bytes().count(TOKEN) == 1, "what may have to be read again is as it was"
    assert len(read_all(path, done)[0]) == len(before), "every place is where it was"


def test_tokens_in_lines_that_are_none_go_as_well(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    junk = b"x" * (2 * LINE_CAP) + told_at(1)[:-1] + b"y" * (2 * LINE_CAP)
    path.write_bytes(told_at(2) + junk + b"\n")
    end = Position(path.stat().st_ino, path.stat().st_size)
    purge_all(path, Position(), end, 10_000)
    assert TOKEN not in path.read_bytes()
