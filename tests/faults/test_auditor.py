"""The auditor is audited: what is planted is reported, one at a time, and a clean run is reported as clean."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.faults import reading
from tests.faults.auditor import Audit, Finding, Frozen, Kind, audit_writes
from tests.faults.books import Announcement, Books, ContactRow, Notes, Record, Step
from tests.faults.callers import NAME_MARK, numbers_of
from tests.faults.people import Ledger
from tests.faults.stories import CallerStory, Leg, caller_stories, legs

T = 1_700_000_000.0


def number(nth: int) -> str:
    return numbers_of(0)[nth]


@dataclass
class Run:
    """A run of a few calls, every part of which may be replaced. Call n comes at T + 10 n, as `u<n>`."""

    stories: list[CallerStory] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    contacts: list[ContactRow] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    connects: dict[str, int] = field(default_factory=dict)
    frozen: list[Frozen] = field(default_factory=list)
    deaths: list[Frozen] = field(default_factory=list)

    def call(self, nth: int, *, ended_by: str = "caller", talks: bool = True, offered: float = 10.0) -> None:
        """Rings, is offered after `offered` seconds, talks, and ends after 40."""
        at, call = T + 10 * nth, f"u{nth}"
        end = at + 40
        self.stories.append(
            CallerStory(f"c{nth}", number(nth), at, at + 1, end, "line" if ended_by == "listener" else "caller")
        )
        self.steps += [
            Step(call, 1, "entered", f"k1.x.y +33199003133 {int(at)}", at),
            Step(call, 2, "queued", "national", at + 6),
        ]
        if talks:
            by = "phone" if ended_by == "listener" else "line"
            self.legs.append(
                Leg(call, "l7", at + offered, at + offered + 1, end - 0.1 if by == "phone" else end + 0.1, by)
            )
            self.contacts.append(ContactRow(nth, call, 100 + nth))
            self.connects[call] = 1
        listener = "l7" if talks else ""
        result = "answered" if talks else "abandoned"
        self.records.append(Record(call, number(nth), end, result, ended_by, listener))

    def audit(self) -> Audit:
        ids = {number(int(record.call_id[1:])): frozenset({record.call_id}) for record in self.records}
        books = Books(self.records, self.contacts, self.steps, self.announcements, ids, self.connects)
        return Audit(self.stories, self.legs, books, self.frozen, self.deaths)

    def findings(self) -> list[Finding]:
        return self.audit().findings()

    def kinds(self) -> list[Kind]:
        return [finding.kind for finding in self.findings()]


@pytest.fixture
def run() -> Run:
    """Ended by the caller, ended by the listener, left while waiting: all as it should be."""
    made = Run()
    made.call(0)
    made.call(1, ended_by="listener")
    made.call(2, talks=False)
    return made


def test_a_clean_run_has_no_findings(run: Run) -> None:
    assert run.findings() == []


def test_a_call_without_a_record_is_lost(run: Run) -> None:
    run.records = [record for record in run.records if record.call_id != "u1"]
    (found,) = run.findings()
    assert (found.kind, found.sip_call) == (Kind.LOST, "c1")


def test_a_call_of_which_only_the_witness_knows_is_lost(run: Run) -> None:
    del run.records[0]
    books = Books(run.records, run.contacts, run.steps, (), {number(0): frozenset({"u0"})}, run.connects)
    (found,) = Audit(run.stories, run.legs, books).findings()
    assert (found.kind, found.call_id) == (Kind.LOST, "u0")


def test_an_answered_call_without_a_contact_is_lost(run: Run) -> None:
    del run.contacts[0]
    assert run.kinds() == [Kind.LOST]


def test_a_contact_without_a_case_is_lost(run: Run) -> None:
    run.contacts[0] = replace(run.contacts[0], case_id=0)
    assert run.kinds() == [Kind.LOST]


def test_a_waiting_caller_who_is_put_out_is_lost(run: Run) -> None:
    run.stories[2] = replace(run.stories[2], ended_by="line")
    run.records[2] = replace(run.records[2], ended_by="system")
    assert Kind.LOST in run.kinds()


def test_a_call_that_is_never_taken_is_lost(run: Run) -> None:
    run.stories.append(CallerStory("c9", number(9), T + 90, None, None, "", 503))
    assert [(f.kind, f.what) for f in run.findings()] == [(Kind.LOST, "never taken: 503")]


def test_a_caller_who_is_hung_up_on_without_the_listeners_deed_is_cut(run: Run) -> None:
    run.stories[0] = replace(run.stories[0], ended_by="line")
    (cut,) = [finding for finding in run.findings() if finding.kind is Kind.CUT]
    assert (cut.what, cut.sip_call) == ("the caller was hung up on, and no listener had ended it", "c0")


def test_a_listeners_leg_that_ends_under_a_living_caller_is_cut(run: Run) -> None:
    run.legs[0] = replace(run.legs[0], ended_at=T + 25)
    assert run.kinds() == [Kind.CUT]


def test_a_leg_whose_telephone_was_killed_is_not_cut(run: Run) -> None:
    run.legs[0] = replace(run.legs[0], ended_by="", ended_at=None, killed_at=T + 25)
    assert run.findings() == []


def test_a_listeners_bye_long_before_is_no_deed(run: Run) -> None:
    run.legs[1] = replace(run.legs[1], ended_at=T + 40)
    assert Kind.CUT in run.kinds()


def test_a_bye_that_waited_while_the_pbx_stood_still_is_a_deed(run: Run) -> None:
    run.legs[1] = replace(run.legs[1], ended_at=T + 42)
    assert run.kinds() == [Kind.CUT]
    run.frozen = [Frozen(T + 42.5, T + 49)]
    assert run.findings() == []


def test_two_records_for_one_call_are_a_duplicate(run: Run) -> None:
    run.records.append(replace(run.records[0], call_id="u8"))
    assert set(run.kinds()) == {Kind.DUPLICATE}


def test_two_contacts_for_one_call_are_a_duplicate(run: Run) -> None:
    run.contacts.append(ContactRow(55, "u0", 155))
    assert run.kinds() == [Kind.DUPLICATE]


def test_a_record_that_nobody_called_for_is_a_duplicate(run: Run) -> None:
    run.records.append(Record("u9", "", T, "abandoned", "caller", ""))
    assert run.kinds() == [Kind.DUPLICATE]


def test_who_came_later_and_is_offered_first_has_overtaken() -> None:
    run = Run()
    run.call(0, offered=30.0)
    run.call(1, offered=12.0)
    (found,) = run.findings()
    assert (found.kind, found.call_id) == (Kind.OVERTAKEN, "u0")


def test_who_was_being_told_their_place_and_is_offered_right_after_is_counted_apart() -> None:
    run = Run()
    run.call(0, offered=30.0)
    run.call(1, offered=12.0)
    run.announcements = [Announcement("u0", T + 20, T + 29)]
    assert run.findings() == []
    assert run.audit().delays() == pytest.approx([8.0])
    run.announcements = [Announcement("u0", T + 20, T + 24)]
    assert run.kinds() == [Kind.OVERTAKEN]


def test_an_announcement_is_read_from_the_journal_as_one() -> None:
    sounds = [("queue-place", 1.0, 3.1), ("digits/7", 3.1, 4.0), ("queue-place-after", 4.0, 8.1), ("welcome", 9.0, 9.5)]
    line = {"accountcode": "u1", "channame": "PJSIP/trunk-1", "eventtype": "STREAM", "eventextra": "{}"}
    journal = []
    for sound, began, ended in sounds:
        extra = json.dumps({"sound": sound})
        journal += [
            {**line, "userdeftype": "FILE_STREAM_BEGIN", "eventtime": str(T + began), "eventextra": extra},
            {**line, "userdeftype": "FILE_STREAM_END", "eventtime": str(T + ended)},
        ]
    assert list(reading.announcements_of(journal)) == [Announcement("u1", T + 1.0, T + 8.1)]


def test_who_is_offered_at_once_with_another_has_not_overtaken() -> None:
    run = Run()
    run.call(0, offered=23.5)
    run.call(1, offered=12.0)
    assert run.findings() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"result": "abandoned"},
        {"ended_by": "system"},
        {"listener": "l8"},
        {"ended_at": T + 46},
        {"ended_at": None},
        {"number": ""},
    ],
)
def test_a_record_that_says_something_else_is_found(run: Run, wrong: dict[str, object]) -> None:
    run.records[0] = replace(run.records[0], **wrong)  # type: ignore[arg-type]
    assert Kind.RECORD in run.kinds()


def test_queue_log_is_asked_too(run: Run) -> None:
    run.connects = {"u1": 1, "u2": 1}
    assert run.kinds() == [Kind.RECORD, Kind.RECORD]


def test_what_lived_when_the_pbx_was_killed_must_be_said_to_have_ended_by_a_fault(run: Run) -> None:
    run.deaths = [Frozen(T + 39, T + 41)]
    assert set(run.kinds()) == {Kind.RECORD}
    run.records = [replace(record, ended_by="fault") for record in run.records]
    assert run.findings() == []


# --- writes, leaks


def ledger() -> Ledger:
    made = Ledger()
    made.sending(1, "listener1", 0, "first")
    made.taken(1, 1, "first")
    made.sending(1, "listener1", 1, "second")
    return made


@pytest.mark.parametrize(
    ("stored", "findings"),
    [
        (Notes(1, "first"), 0),
        (Notes(2, "second"), 0),  # taken, and the answer got lost
        (Notes(1, "another"), 1),
        (Notes(2, "another"), 1),
        (Notes(0, ""), 1),
        (None, 1),
    ],
)
def test_an_acknowledged_write_that_is_not_there_is_found(stored: Notes | None, findings: int) -> None:
    books = Books(notes={} if stored is None else {1: stored})
    assert [f.kind for f in audit_writes(ledger(), books, T)] == [Kind.WRITE] * findings


@pytest.mark.parametrize("content", [number(7), "0" + number(7)[3:], NAME_MARK, "call 639980012 came"])
def test_a_number_or_a_name_in_a_file_is_found(tmp_path: Path, content: str) -> None:
    (tmp_path / "service.log").write_text(f"a call came {content} at noon")
    assert len(reading.leaks_in([tmp_path], {"name": NAME_MARK})) >= 1


def test_what_only_looks_like_a_number_is_no_leak(tmp_path: Path) -> None:
    (tmp_path / "service.log").write_text("call_id=3f2b8c1e-0d4a-4b6e-9f10-639980012ab1 x639980012 63998001234")
    assert reading.leaks_in([tmp_path], {"name": NAME_MARK}) == []


# --- what sipp wrote


def message(at: str, sent: bool, text: str) -> str:
    body = text.replace("\n", "\r\n") + "\r\n\r\n"
    way = "message sent" if sent else "message received"
    return (
        f"----------------------------------------------- 2026-11-22\t{at}\nUDP {way} [{len(body)}] bytes:\n\n{body}\n"
    )


def test_a_callers_story_is_read_from_sipps_log(tmp_path: Path) -> None:
    head = f"From: <sip:{number(3)}@carrier.invalid>;tag=1\nCall-ID: 1-2@127.0.0.1\nContent-Length: 0\nCSeq: 1"
    log = tmp_path / "messages.log"
    log.write_text(
        message("04:00:00.000000", True, f"INVITE sip:3133@127.0.0.1 SIP/2.0\n{head} INVITE")
        + message("04:00:01.000000", False, f"SIP/2.0 200 OK\n{head} INVITE")
        + message("04:00:09.500000", False, f"BYE sip:x@127.0.0.1 SIP/2.0\n{head} BYE")
        + message("04:00:09.600000", True, f"SIP/2.0 200 OK\n{head} BYE")
    )
    (story,) = caller_stories([log])
    assert (story.number, story.ended_by, story.refused) == (number(3), "line", 0)
    assert story.ended_at is not None
    assert story.answered_at is not None
    assert (story.answered_at - story.rang_at, story.ended_at - story.rang_at) == pytest.approx((1.0, 9.5))


def test_a_phones_leg_is_read_from_sipps_log(tmp_path: Path) -> None:
    head = "From: <sip:uuid-1@127.0.0.1>;tag=1\nCall-ID: abc\nContent-Length: 0\nCSeq: 1"
    log = tmp_path / "messages.log"
    log.write_text(
        message("04:00:00.000000", False, f"INVITE sip:l12@127.0.0.1:5070 SIP/2.0\n{head} INVITE")
        + message("04:00:01.000000", True, f"SIP/2.0 200 OK\n{head} INVITE")
        + message("04:00:01.100000", False, f"ACK sip:l12@127.0.0.1:5070 SIP/2.0\n{head} ACK")
        + message("04:00:07.000000", True, f"BYE sip:uuid-1@127.0.0.1 SIP/2.0\n{head} BYE")
    )
    (leg,) = legs(log)
    assert (leg.call_id, leg.user, leg.ended_by, leg.killed_at) == ("uuid-1", "l12", "phone", None)
    assert leg.talked_at == pytest.approx(leg.rung_at + 1.1)
