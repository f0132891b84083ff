"""Reading queue_log: what it says of each call, through rotations and damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.journal_file import Fault, FaultKind, Position
from pbx.queue_log import Entry, QueueLogTally, Seen, read

CALL = "9d72c80a-0641-419e-97c4-bfeeb0f53d5d"
OTHER = "8640898f-97b7-4295-9fa8-1913ded1f75c"


def log_of(*lines: str, at: int = 1795301760) -> str:
    """Lines without their time: a second later each."""
    return "".join(f"{at + n}|{line}\n" for n, line in enumerate(lines))


ENTER = f"pbx1-1.0|national|NONE|ENTERQUEUE||{CALL}|1"
ANSWERED = log_of(
    "NONE|NONE|NONE|QUEUESTART|",
    "MANAGER|national|PJSIP/l5|ADDMEMBER|",
    ENTER,
    "pbx1-1.0|national|l5|RINGNOANSWER|20000",
    "pbx1-1.0|national|NONE|EXITWITHTIMEOUT|1|1|4",
    ENTER,
    "NONE|NONE|l5|PAUSEALL|wrap-up",
    "pbx1-1.0|national|l5|CONNECT|1|pbx1-1.2|0",
    "pbx1-1.0|national|l5|COMPLETEAGENT|1|40|1",
)


def tally(text: str) -> dict[str, Seen]:
    found = QueueLogTally()
    found.feed(entries(text))
    return found.seen


def entries(text: str, tmp: str = "") -> list[Entry]:
    del tmp
    made = []
    for line in text.splitlines():
        at, uniqueid, queue, member, what, *data = line.split("|")
        made.append(Entry(int(at), uniqueid, queue, member, what, tuple(data)))
    return made


def read_all(path: Path, place: Position, limit: int = 1 << 20) -> tuple[list[Entry], Position, list[Fault]]:
    found: list[Entry] = []
    faults: list[Fault] = []
    while True:
        more, after = read(path, place, limit, pbx="pbx1", note=faults.append)
        found += more
        if after == place:
            return found, after, faults
        place = after


@pytest.mark.parametrize("limit", [1, 100, 1 << 20])
def test_each_line_is_an_entry(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "queue_log"
    path.write_text(ANSWERED)
    found, end, faults = read_all(path, Position(), limit)
    assert (found, faults) == (entries(ANSWERED), [])
    assert end == Position(path.stat().st_ino, len(ANSWERED), 1795301760 * 1_000_000)


def test_what_is_no_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "queue_log"
    good = log_of(ENTER)
    bad = [b"rubbish\n", b"x|y|z|w|v|\n", b"17953|\xff\xfe|a|b|c|\n", log_of(ENTER).replace("pbx1-", "else-").encode()]
    bad += [b"9" * digits + b"|y|z|w|v|\n" for digits in (12, 5000)]
    path.write_bytes(good.encode() + b"".join(bad) + good.encode())
    found, _, faults = read_all(path, Position())
    assert len(found) == 2
    assert [fault.kind for fault in faults] == [
        FaultKind.OTHER_SHAPE, FaultKind.NO_INSTANT, FaultKind.NOT_TEXT, FaultKind.OTHER_PBX,
        FaultKind.NO_INSTANT, FaultKind.NO_INSTANT,
    ]  # fmt: skip
    assert faults[0] == Fault("queue_log", len(good), FaultKind.OTHER_SHAPE)


def test_asterisk_renames_it_when_it_rotates_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "queue_log"
    path.write_text(log_of(ENTER, at=100))
    _, place, _ = read_all(path, Position())
    for at in (200, 300):
        with path.open("a") as file:
            file.write(log_of(ENTER, at=at + 1))
        path.rename(tmp_path / f"queue_log.{at}")
        path.write_text(log_of(ENTER, at=at + 10))
    found, _, faults = read_all(path, place)
    assert [entry.at for entry in found] == [201, 210, 301, 310]
    assert faults == []


def test_a_call_s_rounds_conversation_and_end_are_counted() -> None:
    seen = tally(ANSWERED)[CALL]
    assert seen.entered == {"national": 2}
    assert seen.connected == {("national", "l5"): 1}
    assert (seen.completed, seen.never_talked, seen.talks, seen.waits_in) == (1, 0, 0, "")
    assert seen.left == {"EXITWITHTIMEOUT": 1}


def test_members_are_known_by_name_or_by_interface() -> None:
    connect = "pbx1-1.0|national|PJSIP/l5|CONNECT|1|pbx1-1.2|0"
    assert tally(log_of(ENTER, connect))[CALL].connected == {("national", "l5"): 1}


def test_two_channels_of_one_second_are_two_calls() -> None:
    second = f"pbx1-1.1|national|NONE|ENTERQUEUE||{OTHER}|2"
    found = tally(log_of(ENTER, second, "pbx1-1.1|national|NONE|ABANDON|2|2|3", at=50))
    assert found[OTHER].left == {"ABANDON": 1}
    assert found[CALL].waits_in == "national"


def test_a_restart_of_the_pbx_leaves_nobody_in_a_queue() -> None:
    found = tally(log_of(ENTER, "NONE|NONE|NONE|QUEUESTART|"))[CALL]
    assert (found.restarted, found.waits_in) == (True, "")


def test_what_is_said_of_a_channel_before_it_entered_a_queue_is_left_out() -> None:
    assert tally(log_of("pbx1-1.0|national|l5|COMPLETECALLER|1|40|1")) == {}
