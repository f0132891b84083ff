"""Recording a session, and reading what was recorded: what a disk, a reset or a hostile frame does to it."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
from pathlib import Path

import pytest

from pbx import parse
from pbx.errors import SetupError
from pbx.facts import CallQueued, Fact, PbxConnected, PbxLost, PbxRefused, PhoneChanged
from pbx.link import LinkConfig, PbxLink, Timing
from pbx.protocol import FRAME_CAP
from pbx.recording import Recording
from pbx.replay import NotARecording, RecordedSessions
from tests.fakes.ami_server import AmiServer
from tests.fakes.reader import Reader
from tests.support.wait import until

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
LOGIN = b"Response: Success\r\nActionID: Login/1\r\nMessage: Authentication accepted\r\n\r\n"


def queued(n: int, call: str = "call-1") -> bytes:
    return (
        "Event: UserEvent\r\nTimestamp: 1767268800.500000\r\nChannel: PJSIP/trunk-00000001\r\n"
        f"Uniqueid: pbx1-1767268800.1\r\nLinkedid: pbx1-1767268800.1\r\nUserEvent: CallStep\r\nCallId: {call}\r\n"
        f"Step: {n}\r\nWhat: queued\r\nDetail: national\r\n\r\n"
    ).encode()


async def facts_of(path: Path) -> tuple[list[Fact], RecordedSessions]:
    recorded = RecordedSessions(path)
    return [fact async for batch in recorded.batches() for fact in batch], recorded


def link(server: AmiServer, path: Path, secret: str = "right") -> PbxLink:  # noqa: S107 - of the fake
    config = LinkConfig(
        pbx="pbx1",
        host="127.0.0.1",
        port=server.port,
        username="service",
        secret=secret,
        provision_username="provision",
        provision_secret="right",
    )
    return PbxLink(config, Timing(boot=0.5, retry_first=0.01), record=path)


# --- recording ------------------------------------------------------------------------------------------------------


def test_a_recording_is_the_owners_alone_and_grows_from_run_to_run(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    file.touch(0o644)
    for data in (BANNER + LOGIN, BANNER + LOGIN):
        recording = Recording(file)
        recording.took(data)
        recording.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == (BANNER + LOGIN) * 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_what_is_written_is_what_came_however_it_was_cut(tmp_path: Path, size: int) -> None:
    data = BANNER + LOGIN + queued(1) + queued(2)[:-30]
    recording = Recording(tmp_path / "x.ami")
    for begin in range(0, len(data), size):
        recording.took(data[begin : begin + size])
    recording.close()
    assert (tmp_path / "x.ami").read_bytes() == data


def test_a_number_or_a_name_that_slips_onto_the_socket_is_not_written(tmp_path: Path) -> None:
    call = "12345678-6a3b-4c55-9f0e-2f3f1f6f7a10"
    status = (
        "Event: Status\r\nCallerIDNum: {0}\r\nCallerIDName: {1}\r\nConnectedLineNum: {0}\r\n"
        "EffectiveConnectedLineName: {1}\r\nDestCallerIDNum: 3133\r\n\r\n"
    )
    recording = Recording(tmp_path / "x.ami")
    recording.took(BANNER + status.format("+33639980001", "Zoë Exemple").encode())
    recording.took(status.format("0639980001", "Zoë").encode() + status.format(call, "<unknown>").encode())
    recording.took(b"Event: Status\r\nCallerIDNum: +336399800")
    recording.close()
    hidden = status.format("x", "x").encode()
    assert (tmp_path / "x.ami").read_bytes() == (
        BANNER + hidden * 2 + status.format(call, "<unknown>").encode() + b"Event: Status\r\nCallerIDNum: x"
    )


@pytest.mark.parametrize(
    ("header", "hidden"),
    [
        ("Data: DIGITS=+33639980002", "Data: x"),  # dialplan/guard.conf takes up the number
        ("Data: 12345", "Data: x"),
        ("ApplicationData: PJSIP/0639980002@trunk,30", "ApplicationData: x"),
        ("AppData: 60", "AppData: x"),
        ("Data: ", "Data: "),
        ("CallerIDNum: jean.dupont", "CallerIDNum: x"),
        ("CallerIDNum: 639980002", "CallerIDNum: x"),
        ("CallerIDNum: 3133 0639980002", "CallerIDNum: x"),
        ("CallerIDNum: 3133", "CallerIDNum: 3133"),
        ("CallerIDNum: ", "CallerIDNum: "),
        ("CallerIDName: unknown Dupont", "CallerIDName: x"),
        ("CallerIDName: <unknown> Dupont", "CallerIDName: x"),
        ("CallerIDName: Jean\nDupont", "CallerIDName: x"),
        ("ConnectedLineName: unknown", "ConnectedLineName: unknown"),
        ("DestCallerIDNum: +3363", "DestCallerIDNum: x"),
        ("UserEvent: CallerIDNum", "UserEvent: CallerIDNum"),
        ("Variable: LINE=+33199003133", "Variable: LINE=+33199003133"),
    ],
)
def test_of_a_number_or_a_name_only_what_the_guard_put_there_is_written(
    tmp_path: Path, header: str, hidden: str
) -> None:
    frame = "Event: Status\r\n{}\r\nUniqueid: pbx1-1.1\r\n\r\n"
    recording = Recording(tmp_path / "x.ami")
    recording.took(BANNER + frame.format(header).encode() + queued(1))
    recording.close()
    assert (tmp_path / "x.ami").read_bytes() == BANNER + frame.format(hidden).encode() + queued(1)


@pytest.mark.parametrize(
    "cut", [b"CallerIDNum: +33639980003", b"CallerIDNum: 0639", b"CallerIDNum: 31333\r", b"Data: 06"]
)
async def test_a_number_in_which_a_session_broke_off_is_not_written_and_hides_no_next_session(
    tmp_path: Path, cut: bytes
) -> None:
    file = tmp_path / "x.ami"
    async with AmiServer() as server:
        reader = Reader(link(server, file))
        await reader.connected()
        for connection in server.connections:
            connection.write(b"Event: Status\r\n" + cut)
        recording = reader.link._recording
        assert recording is not None
        await asyncio.to_thread(until, lambda: recording._tail.endswith(cut), "the number came as far as it did")
        for connection in server.connections:
            connection.drop()
        await reader.connected(times=2)
        await reader.close()
    hidden = re.sub(rb": [^\r]+", b": x", cut)
    assert b"Event: Status\r\n" + hidden + BANNER in file.read_bytes()
    again, recorded = await facts_of(file)
    assert [type(fact) for fact in again] == [type(fact) for fact in reader.facts]
    assert recorded.counts.sessions == 2


@pytest.mark.parametrize("size", [1000, 4093, 65536])
async def test_a_frame_too_long_to_be_read_hides_a_number_wherever_it_is_cut(tmp_path: Path, size: int) -> None:
    file = tmp_path / "x.ami"
    headers = b"CallerIDNum: +33639980003\r\nCallerIDName: Dupont\r\n" * 15_000
    data = BANNER + LOGIN + b"Event: Status\r\n" + headers + b"\r\n" + queued(1)
    recording = Recording(file)
    for begin in range(0, len(data), size):
        recording.took(data[begin : begin + size])
    recording.close()
    assert not re.search(rb"[0-9]{3}|Dup|ont", file.read_bytes().replace(BANNER + LOGIN, b"").replace(queued(1), b""))
    facts, recorded = await facts_of(file)
    assert [type(fact) for fact in facts] == [CallQueued]
    assert [odd.offset for odd in recorded.counts.odd] == [len(BANNER + LOGIN)]


def test_a_list_of_the_other_login_never_stands_within_a_frame(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "x.ami")
    answer = parse.answer("Response: Success\r\nActionID: PJSIPShowContacts/4\r\nEventList: start")
    recording.took(BANNER + LOGIN + queued(1)[:60])
    recording.add_list(answer, ["Event: ContactList\r\nActionID: PJSIPShowContacts/4"])
    recording.took(queued(1)[60:])
    recording.close()
    written = (tmp_path / "x.ami").read_bytes()
    assert written.startswith(BANNER + LOGIN + answer.text.encode())
    assert written.endswith(b"\r\n\r\n" + queued(1))


def test_a_file_that_is_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    diary, link_, fifo = tmp_path / "diary", tmp_path / "link", tmp_path / "fifo"
    diary.write_text("Dear diary")
    link_.symlink_to(diary)
    os.mkfifo(fifo)
    for path in (diary, link_, fifo, tmp_path, tmp_path / "none" / "x.ami"):
        with pytest.raises(SetupError) as refused:
            Recording(path)
        assert refused.value.id == "recording-unusable"
    assert diary.read_text() == "Dear diary"


def test_a_recording_that_is_forgotten_ends_at_its_limit_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = Recording(tmp_path / "x.ami", limit_bytes=1000)
    with caplog.at_level(logging.WARNING, "pbx.recording"):
        for n in range(20):
            recording.took((BANNER + LOGIN if n == 0 else b"") + queued(n))
    size = (tmp_path / "x.ami").stat().st_size
    assert 500 < size <= 1000
    assert len(caplog.records) == 1
    assert str(size) in caplog.text


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = Recording(tmp_path / "x.ami")
    assert recording._file is not None
    with Path("/dev/full").open("r+b") as full:
        os.dup2(full.fileno(), recording._file)
        with caplog.at_level(logging.ERROR, "pbx.recording"):
            recording.took(BANNER + LOGIN)
            recording.took(queued(1))
    assert [record.getMessage() for record in caplog.records] == [
        "the recording of the manager interface ends: No space left on device"
    ]


async def test_the_list_of_phones_stands_between_two_frames_where_it_came(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    async with AmiServer() as server:
        server.lists["PJSIPShowContacts"] = [
            ["Event: ContactList", "Endpoint: l1", "Uri: sip:l1@127.0.0.1:5061", "Status: Reachable"],
            ["Event: ContactList", "Endpoint: l2", "Uri: sip:l2@127.0.0.1:5062", "Status: Unreachable"],
        ]
        reader = Reader(link(server, file))
        await reader.connected()
        await reader.close()
    again, recorded = await facts_of(file)
    assert [type(fact) for fact in again] == [type(fact) for fact in reader.facts]
    assert [type(fact) for fact in again] == [PhoneChanged, PhoneChanged, PbxConnected, PbxLost]
    assert recorded.state.phones == {"l1": True, "l2": False}
    assert recorded.counts.odd == []
    assert b"right" not in file.read_bytes()


async def test_half_a_frame_before_a_reset_is_on_record_and_the_next_session_behind_it(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    async with AmiServer() as server:
        reader = Reader(link(server, file))
        await reader.connected()
        for connection in server.connections:
            connection.write(queued(1)[:60])
        recording = reader.link._recording
        assert recording is not None
        await asyncio.to_thread(until, lambda: recording._tail, "half a frame came")
        for connection in server.connections:
            connection.drop()
        await reader.connected(times=2)
        await reader.close()
    assert queued(1)[:60] + BANNER in file.read_bytes()
    again, recorded = await facts_of(file)
    assert [type(fact) for fact in again] == [type(fact) for fact in reader.facts]
    assert recorded.counts.odd == []


async def test_an_account_that_was_refused_in_run_after_run_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    async with AmiServer() as server:
        for _ in range(2):
            reader = Reader(link(server, file, secret="wrong"))
            await reader.until(lambda facts: facts)
            await reader.close()
    again, recorded = await facts_of(file)
    assert [type(fact) for fact in again] == [PbxRefused]
    assert recorded.counts.sessions == 2


# --- reading --------------------------------------------------------------------------------------------------------


async def test_a_session_that_broke_off_within_a_frame_does_not_hide_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    file.write_bytes(BANNER + LOGIN + queued(1) + queued(2)[:50] + BANNER + LOGIN + queued(3))
    facts, recorded = await facts_of(file)
    assert [type(fact) for fact in facts] == [CallQueued, PbxLost, CallQueued]
    assert (recorded.counts.sessions, recorded.counts.cut, recorded.counts.open_end) == (2, None, True)


async def test_a_banner_within_a_value_begins_no_session(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    name = b"Event: Newchannel\r\nCallerIDName: " + BANNER + b"Channel: PJSIP/trunk-00000001\r\n\r\n"
    file.write_bytes(BANNER + LOGIN + name + queued(1))
    facts, recorded = await facts_of(file)
    assert [type(fact) for fact in facts] == [CallQueued]
    assert recorded.counts.sessions == 1


async def test_another_accounts_recording_counts_from_its_beginning_and_names_what_no_tracker_needs(
    tmp_path: Path,
) -> None:
    file = tmp_path / "x.ami"
    file.write_bytes(BANNER + LOGIN + b"Event: Newexten\r\nExten: s\r\n\r\n" * 3 + queued(1))
    facts, recorded = await facts_of(file)
    assert [type(fact) for fact in facts] == [CallQueued]
    assert recorded.counts.unneeded == {"Newexten": 3}
    assert recorded.counts.read == {"UserEvent": 1}


async def test_a_huge_frame_costs_itself_as_it_did_live(tmp_path: Path) -> None:
    file = tmp_path / "x.ami"
    begins = len(BANNER + LOGIN)
    huge = b"Event: UserEvent\r\nDetail: " + b"x" * (FRAME_CAP * 3) + b"\r\n\r\n"
    file.write_bytes(BANNER + LOGIN + huge + queued(1))
    facts, recorded = await facts_of(file)
    assert [type(fact) for fact in facts] == [CallQueued]
    assert [odd.offset for odd in recorded.counts.odd] == [begins]


@pytest.mark.parametrize("content", [b"", b"\r\n", b"Event: UserEvent\r\n\r\n", b"Asterisk Call Manager"])
def test_what_does_not_begin_with_the_banner_is_no_recording(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.ami"
    file.write_bytes(content)
    with pytest.raises(NotARecording):
        RecordedSessions(file)
