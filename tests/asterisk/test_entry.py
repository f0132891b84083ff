"""A caller arrives: identity, number out of sight, ringing, welcome, opening hours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.asterisk.line import Line
from tests.support.keypad import Handset
from tests.support.sipp import ANONYMOUS, NOBODY, NONSENSE, Identity, asserted, hidden, number
from tests.support.tokens import number_in
from tests.support.wait import until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_shipped_files_load_without_one_warning_and_a_call_adds_none(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1")
    caller = line.caller(number("+33639980001"))
    line.conversation()
    phone.hang_up(reason="Q.850;cause=31")
    until(lambda: caller.was_hung_up_on, "the caller is let go")
    assert line.complaints() == []


def test_every_context_that_is_written_is_loaded(line: Line) -> None:
    written = set()
    for file in Path("dialplan").glob("*.conf"):
        written |= set(re.findall(r"^\[([a-z-]+)\]", file.read_text(), re.MULTILINE))
    loaded = set(re.findall(r"Context '([a-z-]+)'", line.pbx.console("dialplan show")))
    assert written <= loaded


@pytest.mark.alone  # seconds that are measured
def test_the_caller_hears_a_second_of_ringing_then_at_most_six_seconds_before_the_queue(tmp_path: Path) -> None:
    with Line(tmp_path, whole_prompts=True) as line:
        line.heartbeat()
        ears = Handset()
        caller = line.caller(audio=ears)
        answered = until(lambda: caller.answered, "the line answers")
        ringing = caller.seen("INVITE", status=180)
        assert ringing is not None
        assert 0.8 < answered.at - ringing.at < 1.5
        entered, queued = line.ami.step("entered"), line.ami.step("queued")
        assert queued.at - entered.at < 1.2 + 0.6 + 6.0
        assert ears.heard_at(line.sound("welcome"), 0.0)


def test_the_number_is_out_of_sight_and_only_the_key_brings_it_back(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1")
    caller = line.caller(
        number("+33639984321", name="Madame Exemple"), extra="Diversion: <sip:+33261914321@x.invalid>\r\n"
    )
    step = line.ami.step("entered")
    token, dialled, arrived = step.detail.split()
    assert UUID.fullmatch(step.call)
    assert number_in(token) == "+33639984321"
    assert dialled == "+33199003133"
    assert abs(int(arrived) - caller.messages()[0].at) < 2
    line.conversation()
    assert step.call in phone.rung[0].header("From")  # what the listener's phone shows
    phone.hang_up(reason="Q.850;cause=31")
    line.ami.step("ended")
    line.pbx.console("database show")
    left = [file for file in line.pbx.layout.data.rglob("*") if file.is_file()]
    marks = (b"39984321", b"61914321", b"Exemple")
    assert [file for file in left if any(mark in _content(file) for mark in marks)] == []
    assert [m for m in phone.messages() if any(mark.decode() in m.text for mark in marks)] == []


def _content(file: Path) -> bytes:
    """Nothing where it is gone: AstDB's own journal lies beside it only until what was put is written."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def test_equal_numbers_never_give_equal_tokens(line: Line) -> None:
    line.heartbeat()
    for _ in range(2):
        line.caller(number("0639984321"))
    first, second = line.ami.step("entered").detail.split()[0], line.ami.step("entered", nth=2).detail.split()[0]
    assert number_in(first) == number_in(second) == "0639984321"
    assert first.split(".")[1:] != second.split(".")[1:]


@pytest.mark.parametrize(
    ("identity", "token"),
    [(hidden("+33639984321"), "withheld"), (ANONYMOUS, "withheld"), (NOBODY, "none"), (NONSENSE, "none")],
    ids=["hidden but told to the carrier", "anonymous", "no number", "nonsense"],
)
def test_a_caller_without_a_number_to_show_is_answered_like_everybody(
    line: Line, identity: Identity, token: str
) -> None:
    line.heartbeat()
    line.listener("l1")
    line.caller(identity)
    assert line.ami.step("entered").detail.split()[0] == token
    line.ami.joined("connecting")
    assert not [file for file in line.pbx.layout.log.rglob("*") if file.is_file() and b"39984321" in file.read_bytes()]


def test_the_carriers_word_counts_for_the_number(line: Line) -> None:
    line.heartbeat()
    line.caller(asserted("+33639984321"))
    assert number_in(line.ami.step("entered").detail.split()[0]) == "+33639984321"


def test_without_a_key_the_caller_is_anonymous_and_welcome(line: Line) -> None:
    line.heartbeat()
    line.ami.put("line", "caller_key", "too short")
    line.listener("l1")
    line.caller(number("+33639980001"))
    assert line.ami.step("entered").detail.split()[0] == "none"
    line.ami.joined("connecting")


def test_headers_that_look_like_ours_are_not_believed(line: Line) -> None:
    line.heartbeat()
    line.caller(extra="X-Call-Id: evil\r\nX-Ecoute-Call-Id: evil\r\nX-Arrived: 1\r\nUser-to-User: evil\r\n")
    step = line.ami.step("entered")
    assert UUID.fullmatch(step.call)
    assert int(step.detail.split()[2]) > 1


@pytest.mark.parametrize(("delivered", "e164"), [("0199003133", "+33199003133"), ("3133", "+33199003133")])
def test_the_number_as_delivered_becomes_the_lines_number(line: Line, delivered: str, e164: str) -> None:
    line.caller(line=delivered)
    assert line.ami.step("entered").detail.split()[1] == e164


def test_a_form_of_the_number_that_the_table_does_not_know_is_answered_and_told(line: Line) -> None:
    line.heartbeat()
    line.listener("l1")
    line.caller(line="0033199003133")
    line.ami.joined("connecting")
    until(lambda: any("number-not-in-table" in text for text in line.complaints()), "it is in Asterisk's log")


@pytest.mark.parametrize("target", ["ready", "national", "s", "l1", "waiting"])
def test_from_the_trunk_nothing_but_the_line_can_be_reached(line: Line, target: str) -> None:
    caller = line.caller(line=target)
    until(lambda: caller.seen("INVITE", status=404), "the call is refused")
    assert line.ami.steps() == []


def test_outside_the_opening_hours_the_caller_hears_so_twice_and_the_call_ends(line: Line) -> None:
    hours = line.pbx.layout.generated / "hours.conf"
    hours.write_text("[hours]\nexten => s,1,Set(OPEN=0)\n same => n,Return()\n")
    line.pbx.console("dialplan reload")
    caller = line.caller()
    line.ami.step("closed")
    line.ami.step("ended closed closed")
    until(lambda: caller.was_hung_up_on, "the line hangs up")
    assert [step.what for step in line.ami.steps()] == ["entered", "closed", "ended"]


def test_without_generated_hours_and_numbers_the_line_is_open(line: Line) -> None:
    for name in ("hours.conf", "numbers.conf", "globals.conf"):
        (line.pbx.layout.generated / name).unlink()
    line.pbx.console("dialplan reload")
    line.heartbeat()
    line.listener("l1")
    line.caller()
    line.ami.joined("connecting")
