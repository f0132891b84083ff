"""Reading the PBX's journal by position."""

from __future__ import annotations

from pathlib import Path

from pbx.events import CallStep, Event
from pbx.journal import Position, parse_line, read
from tests.unit.pbx.ami_frames import eventful_call


def everything(path: Path, position: Position, limit: int = 1 << 20) -> tuple[list[Event], Position]:
    events: list[Event] = []
    while True:
        more, after = read(path, position, limit)
        events += more
        if after == position:
            return events, after
        position = after


def steps(events: list[Event]) -> list[int]:
    return [event.n for event in events if isinstance(event, CallStep)]


def test_a_journal_that_is_not_there_has_no_events(tmp_path: Path) -> None:
    assert read(tmp_path / "none" / "journal.json", Position()) == ([], Position())


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, lines = tmp_path / "journal.json", eventful_call().journal
    path.write_bytes(b"".join(lines[:10]))
    first, position = everything(path, Position())
    with path.open("ab") as journal:
        journal.writelines(lines[10:])
    second, _ = everything(path, position)
    assert steps(first) + steps(second) == list(range(1, 17))


def test_small_bites_read_the_same_as_a_large_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(b"".join(eventful_call().journal))
    whole, end = everything(path, Position())
    for limit in (1, 100, 1000):
        assert everything(path, Position(), limit) == (whole, end)


def test_a_partial_last_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    path, lines = tmp_path / "journal.json", eventful_call().journal
    data = b"".join(lines[:2])
    path.write_bytes(data[:-30])
    events, position = everything(path, Position())
    assert steps(events) == [1]
    assert position.offset == len(lines[0])
    path.write_bytes(data)
    assert steps(everything(path, position)[0]) == [2]


def test_a_rotation_loses_nothing(tmp_path: Path) -> None:
    path, lines = tmp_path / "journal.json", eventful_call().journal
    path.write_bytes(b"".join(lines[:2]))
    first, position = everything(path, Position())
    with path.open("ab") as journal:
        journal.write(lines[4])
    path.rename(tmp_path / "journal.json.1")
    path.write_bytes(b"".join(lines[5:8]))
    second, position = everything(path, position)
    assert steps(first + second) == [1, 2, *steps([e for line in lines[4:8] if (e := parse_line(line)) is not None])]
    assert position.inode == path.stat().st_ino


def test_a_journal_that_was_emptied_in_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, lines = tmp_path / "journal.json", eventful_call().journal
    path.write_bytes(b"".join(lines))
    _, position = everything(path, Position())
    path.write_bytes(lines[0])
    assert steps(everything(path, position)[0]) == [1]


def test_a_line_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    path, lines = tmp_path / "journal.json", eventful_call().journal
    broken = [b"\0\0\0\0\n", b"not json\n", lines[0].replace(b" 1 entered", b" x entered"), b"{}\n"]
    path.write_bytes(lines[0] + b"".join(broken) + lines[1])
    assert steps(everything(path, Position())[0]) == [1, 2]
