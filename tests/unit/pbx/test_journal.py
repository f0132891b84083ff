"""Reading the PBX's journal by position."""

from __future__ import annotations

from pathlib import Path

from pbx.events import CallStep, Event
from pbx.journal import Position, parse_line, purge, read
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


# --- callers' tokens, once they are stored ----------------------------------------------------------------------------

TOKEN = b"k0a1b2c3d4e5f.fa060f40fb706005.q83vEjRWeJCrze8SNFZ4kA=="


def told(token: bytes, call: int = 1, end: bytes = b"\n") -> bytes:
    """A line of the step `entered` as Asterisk writes it."""
    extra = b'{\\"extra\\":\\"0000000%d-0000-4000-8000-000000000000 1 entered %s +33199003133 1.5\\"}' % (call, token)
    line = b'{"eventtime":"1.5","eventtype":"STEP","userdeftype":"STEP","accountcode":"c","eventextra":"%s"}'
    return line % extra + end


def purge_all(path: Path, done: Position, until: Position, limit: int = 1 << 20) -> Position:
    while True:
        after = purge(path, done, until, limit)
        if after == done:
            return done
        done = after


def test_a_token_before_the_position_is_unreadable_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    path, other = tmp_path / "journal.json", eventful_call().journal[3]
    before = told(TOKEN) + other + told(b"withheld", 2) + told(TOKEN, 3)
    path.write_bytes(before + told(TOKEN, 4))
    whole, _ = everything(path, Position())
    until = Position(path.stat().st_ino, len(before))
    for limit in (1, 50, 1 << 20):
        assert purge_all(path, Position(), until, limit) == until
    after = path.read_bytes()
    assert after[len(before) :] == told(TOKEN, 4), "what may have to be read again is as it was"
    assert len(after) == len(before) + len(told(TOKEN, 4))
    assert TOKEN not in after[: len(before)]
    assert b"q83v" not in after[: len(before)]
    again, _ = everything(path, Position())
    details = [event.detail for event in again if isinstance(event, CallStep)]
    assert [detail.split()[0][:6] for detail in details if "+33199003133" in detail] == [
        "purged",
        "withhe",
        "purged",
        TOKEN[:6].decode(),
    ]
    assert steps(again) == steps(whole)


def test_a_token_with_an_escaped_slash_is_purged_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(told(b"k0.fa060f40fb706005.q8\\\\/vEj\\/WeJCrze8SNFZ4kA=="))
    assert purge(path, Position(), Position(path.stat().st_ino, path.stat().st_size)).offset == path.stat().st_size
    assert b"WeJC" not in path.read_bytes()
    assert len(everything(path, Position())[0]) == 1


def test_a_position_in_the_middle_of_a_line_leaves_that_line_for_the_next_time(tmp_path: Path) -> None:
    path, line = tmp_path / "journal.json", told(TOKEN)
    path.write_bytes(line + line)
    inode = path.stat().st_ino
    done = purge_all(path, Position(), Position(inode, len(line) + 150))
    assert done.offset == len(line)
    assert path.read_bytes().count(TOKEN) == 1
    assert purge_all(path, done, Position(inode, 2 * len(line))).offset == 2 * len(line)
    assert TOKEN not in path.read_bytes()


def test_a_file_that_was_rotated_away_is_purged_to_its_end(tmp_path: Path) -> None:
    path, line = tmp_path / "journal.json", told(TOKEN)
    path.write_bytes(line)
    done = purge_all(path, Position(), Position(path.stat().st_ino, len(line)))
    with path.open("ab") as journal:
        journal.write(line)
    path.rename(tmp_path / "journal.json.1")
    path.write_bytes(line)
    until = Position(path.stat().st_ino, len(line))
    assert purge_all(path, done, until) == until
    assert TOKEN not in path.read_bytes() + (tmp_path / "journal.json.1").read_bytes()


def test_a_journal_that_is_gone_or_was_emptied_stops_nothing(tmp_path: Path) -> None:
    path, line = tmp_path / "journal.json", told(TOKEN)
    assert purge_all(path, Position(), Position(7, 100)) == Position(7, 100)
    path.write_bytes(line)
    inode = path.stat().st_ino
    assert purge_all(path, Position(inode, 10_000), Position(inode, len(line))).offset == len(line)
    assert TOKEN not in path.read_bytes()
