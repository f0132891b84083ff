"""`ecoute replay`: the tool that a maintainer reaches for first."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pbx import facts
from pbx.facts import CallEnded, EndedBy, Stage
from service.cli.main import app
from service.cli.sentences import SENTENCES, Story, seconds, sentence
from tests.replay.record import RECORDINGS
from tests.replay.scrub import BEGINS
from tests.support.line import start_line
from tests.support.wait import until

LOST = RECORDINGS / "listener-lost-then-the-next.ami"
MANY = RECORDINGS / "reconnected-with-live-calls.ami"
FIRST, SECOND = (f"ca110000-0000-4000-8000-{n:012}" for n in (1, 2))


def ecoute(*arguments: str | Path, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli.main", *map(str, arguments)],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(*arguments: str | Path) -> str:
    """What the command prints; in this process, which is quicker by a second each time."""
    done = CliRunner().invoke(app, ["replay", *map(str, arguments)])
    assert (done.exit_code, done.stderr) == (0, ""), done.exception
    return done.stdout


def sentences(text: str) -> list[str]:
    """The steps of calls, without their times."""
    return [found[1] for line in text.splitlines() if (found := re.match(r"  \S+ +~?[\d.]+ s  (.*)", line))]


# --- in plain words -------------------------------------------------------------------------------------------------


def test_a_call_is_explained_step_by_step() -> None:
    assert sentences(told(LOST)) == [
        "A caller reached +33199003133; number encrypted.",
        "The caller waits in the queue national.",
        "The phone of listener l1 rang, for the queue national.",
        "Listener l1 answered after 1.8 s: they hear each other.",
        "The leg of listener l1 was lost (cause 44, leg lost): the caller is spoken to, the grace runs.",
        "The caller is back at their rank in the queue national.",
        "The phone of listener l2 rang, for the queue national.",
        "Listener l2 answered after 16 s: they hear each other.",
        "The caller hung up, in the conversation.",
    ]
    heading = next(line for line in told(LOST).splitlines() if line.startswith("Call "))
    arrived = datetime.fromtimestamp(BEGINS).astimezone()
    assert heading.startswith(f"Call {FIRST}, {arrived:%Y-%m-%d %H:%M:0}")
    assert heading.endswith("answered by listener l1 after 1.8 s, ended by the caller")


def test_where_the_session_saw_nothing_the_call_says_so() -> None:
    steps = sentences(told(RECORDINGS / "left-while-nobody-listened.ami"))
    assert steps[-2:] == [
        "[the session ended (connection-lost): not seen from here]",
        "[seen again: the call is gone; the PBX's journal says how it ended]",
    ]


def test_one_call_is_told_alone_by_the_beginning_of_its_id() -> None:
    both, one = told(MANY), told(MANY, "--call", SECOND)
    assert both.count("\nCall ca11") == 3
    assert one.startswith(f"Call {SECOND}")
    assert FIRST not in one
    assert one.splitlines()[1:] == both[both.index(one.splitlines()[0]) :].splitlines()[1 : len(one.splitlines())]


def test_flat_is_in_the_order_of_time_with_queues_and_phones_in_between() -> None:
    lines = told(MANY, "--flat").splitlines()
    clocks = [line[:12] for line in lines if re.match(r"\d\d:\d\d:\d\d\.\d{3}", line)]
    assert len(clocks) > 25
    assert clocks == sorted(clocks)
    assert any("phone ringing" in line for line in lines)
    assert not [line for line in told(MANY, "--flat", "--call", FIRST).splitlines() if "phone ringing" in line]


def test_state_shows_the_board_at_the_end(tmp_path: Path) -> None:
    whole = LOST.read_bytes()
    cut = tmp_path / "cut.ami"
    cut.write_bytes(whole[: whole.index(b"What: listener-lost") - 700])
    text = told(cut, "--state")
    assert "At the end: 1 live call, 1 listener, 1 phone\n" in text
    assert f"  call {FIRST}: talking with listener l1\n" in text
    assert "  listener l1: talking, paused (wrap-up), serves national\n" in text
    assert "no end in this file" in text


# --- for scripts ----------------------------------------------------------------------------------------------------


def test_json_says_the_same_and_holds_no_encrypted_number() -> None:
    text = told(LOST, "--json", "--state")
    document = json.loads(text)
    assert document["kind"] == "recording"
    assert document["pbx"] == "pbx1"
    (call,) = document["calls"]
    assert (call["call_id"], call["answered_by"], call["ended_by"]) == (FIRST, "listener l1", "caller")
    words = [fact["words"] for fact in document["facts"] if "call_id" in fact]
    assert words == sentences(told(LOST))
    entered = next(fact for fact in document["facts"] if fact["fact"] == "CallEntered")
    assert (entered["number"], entered["line"]) == ("encrypted", "+33199003133")
    assert set(document["state"]) == {"calls", "members", "phones"}
    assert document["counts"]["unreadable"] == []
    assert "All of it could be read." in told(LOST)
    assert "nonce" not in text + told(LOST) + told(LOST, "--flat")
    (fact, *_) = json.loads(told(MANY, "--json", "--call", SECOND))["facts"]
    assert fact["call_id"] == SECOND


# --- files that are not as they should be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "neither a recording"), (b"Dear diary", "neither a recording"), (None, "cannot be read: No such file")],
    ids=["empty", "another file", "missing"],
)
def test_what_is_no_recording_is_one_sentence(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    done = ecoute("replay", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_call_that_is_not_there_is_answered_with_those_that_are() -> None:
    done = ecoute("replay", LOST, "--call", "beef")
    assert done.returncode == 1
    assert FIRST in done.stderr


def test_a_recording_that_is_cut_off_says_so_and_tells_the_rest(tmp_path: Path) -> None:
    whole = LOST.read_bytes()
    cut = tmp_path / "cut.ami"
    last = whole.index(b"What: listener-lost")
    cut.write_bytes(whole[:last])
    text = told(cut)
    begins = whole.rindex(b"\r\n\r\n", 0, last) + 4
    assert f"The file is cut off: its last frame, at byte {begins}, is not whole." in text
    assert "It ends while the session is up" in text
    assert sentences(text) == sentences(told(LOST))[:4]


def test_damage_in_the_middle_costs_what_is_damaged_and_is_named_by_its_place(tmp_path: Path) -> None:
    whole = LOST.read_bytes()
    begins = whole.rindex(b"\r\n\r\n", 0, whole.index(b"What: listener-lost")) + 4
    damaged = tmp_path / "damaged.ami"
    damaged.write_bytes(whole[:begins] + b"\x00\xff rubbish" + whole[begins + 10 :])
    text = told(damaged)
    assert f"At byte {begins}: a frame that is neither an event nor an answer" in text
    steps = sentences(told(LOST))
    assert sentences(text) == [step for step in steps if "was lost" not in step]


def test_a_call_that_began_before_the_recording_counts_from_its_first_word(tmp_path: Path) -> None:
    whole = MANY.read_bytes()
    later = tmp_path / "later.ami"
    later.write_bytes(whole[whole.index(b"Asterisk Call Manager", 1) :])
    text = told(later)
    assert text.count("(began before this file)") == 3
    assert "[the snapshot finds it: talking with listener l1]" in sentences(text)
    assert "[the snapshot finds it: waiting in the queue national, rings at listener l2]" in sentences(text)
    assert "answered by listener l1, ended by the caller" in text
    assert re.search(r" ~[4-6]\.\d s  The caller hung up", text), "since the arrival, as the snapshot knows it"
    assert "A caller reached" not in text


def test_a_value_that_cannot_be_one_is_named_by_its_place(tmp_path: Path) -> None:
    whole = LOST.read_bytes()
    place = whole.index(b"\r\nStep: 3\r\n")
    damaged = tmp_path / "damaged.ami"
    damaged.write_bytes(whole[:place] + b"\r\nStep: x\r\n" + whole[place + 11 :])
    begins = whole.rindex(b"\r\n\r\n", 0, place) + 4
    assert f"At byte {begins}: a frame whose values are not what they should be" in told(damaged)


@pytest.mark.parametrize("moment", ["inf", "nan", "1e300", "-5", "99999999999999.5", "noon"])
def test_a_moment_that_cannot_be_one_costs_its_frame_or_line(tmp_path: Path, moment: str) -> None:
    whole = LOST.read_bytes()
    place = whole.rindex(b"Timestamp: ", 0, whole.index(b"What: listener-lost"))
    recording, journal = tmp_path / "x.ami", tmp_path / "journal.json"
    recording.write_bytes(whole[: place + 11] + moment.encode() + whole[place + 28 :])
    steps = [("1767268800.5", "call-1 1 queued national"), (moment, "call-1 2 queued centre-38")]
    lines = [
        {"eventtime": at, "eventtype": "STEP", "uniqueid": "pbx1-1.0", "eventextra": json.dumps({"extra": words})}
        for at, words in steps
    ]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "At byte" in (text := told(recording))
    assert [step for step in sentences(told(LOST)) if step not in sentences(text)] == [
        "The leg of listener l1 was lost (cause 44, leg lost): the caller is spoken to, the grace runs."
    ]
    assert sentences(told(journal)) == ["The caller waits in the queue national."]
    assert f"At byte {journal.read_text().index(chr(10)) + 1}: " in told(journal)


HOSTILE = {
    "clears the screen": ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
    "is C1": ("\x7f\x9b31m", r"\x7f\x9b31m"),
    "turns the writing": ("\u202eli\u2066", r"\u202eli\u2066"),
    "is markup": ("[red]", "[red]"),
}


@pytest.mark.parametrize(("sent", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_frame_names_is_shown_and_never_obeyed(tmp_path: Path, sent: str, shown: str) -> None:
    hostile = tmp_path / "hostile.ami"
    hostile.write_bytes(LOST.read_bytes().replace(b"Detail: national", f"Detail: nat{sent}".encode()))
    for arguments in (["--state"], ["--flat"], ["--call", FIRST]):
        text = told(hostile, *arguments)
        assert f"The caller waits in the queue nat{shown}." in text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]", text)


def test_a_line_end_within_a_name_makes_no_line(tmp_path: Path) -> None:
    forged = tmp_path / "forged.ami"
    forged.write_bytes(
        LOST.read_bytes().replace(b"PausedReason: wrap-up", b"PausedReason: wrap-up\nAll of it is well.")
    )
    assert r"paused (wrap-up\nAll of it is well.)" in told(forged)
    assert "\nAll of it is well" not in told(forged) + told(forged, "--flat")


# --- the PBX's journal, and a line that runs --------------------------------------------------------------------------


def test_a_running_service_records_and_the_journal_tells_the_same(tmp_path: Path) -> None:
    with start_line(tmp_path, "--record-ami", "fault.ami") as line:
        assert ecoute("demo", "--seconds", "5", directory=tmp_path).returncode == 0
        assert any("Recording the PBX's events to fault.ami: delete it" in said for said in line.said)
        until(lambda: [call for call in line.records() if call.ended_at], "the call is on record")
        line.service.send_signal(signal.SIGTERM)
        assert line.service.wait(timeout=20) == 0
        recording, journal = tmp_path / "fault.ami", line.layout.journal
        steps = sentences(told(recording))
        assert steps[0] == "A caller reached +33199003133; number encrypted."
        assert steps[-1].startswith("The caller hung up, ")
        assert sentences(told(journal)) == steps
        assert "not answered, ended by the caller" in told(journal)
        assert "it tells nothing of listeners and phones" in told(journal, "--state")
        assert json.loads(told(journal, "--json", "--state"))["state"] == {"calls": [], "members": None, "phones": None}
        damaged = tmp_path / "journal"
        damaged.write_bytes(b"rubbish\n" + journal.read_bytes() + b'{"eventtype": "STE')
        assert ecoute("replay", damaged).returncode == 1
        text = told(damaged, "--journal")
        assert sentences(text) == steps
        assert "At byte 0: a line that is not what the journal writes" in text
        assert f"The file is cut off: its last line, at byte {8 + journal.stat().st_size}" in text

        played = ecoute("replay", LOST, "--journal")
        assert played.returncode == 1
        assert "is no journal" in played.stderr

        (tmp_path / "diary").write_text("Dear diary")
        refused = ecoute("serve", "--record-ami", "diary", directory=tmp_path)
        assert refused.returncode == 1
        assert "diary cannot be written: it holds something else than a recording. Name another file." in refused.stderr


# --- words ------------------------------------------------------------------------------------------------------------


def test_every_fact_has_its_sentence() -> None:
    every = {found for found in vars(facts).values() if isinstance(found, type) and issubclass(found, facts.Fact)}
    assert every - {facts.Fact, facts.CallFact} == set(SENTENCES)


def test_every_end_has_words() -> None:
    told_ends = {
        sentence(CallEnded(pbx="pbx1", at=1.0, call_id="c", ordinal=1, by=by, stage=stage), Story("c", 0.0))
        for by in EndedBy
        for stage in Stage
    }
    assert len(told_ends) == (len(EndedBy) - 1) * len(Stage) + 1  # the closing notice has one stage


@pytest.mark.parametrize(
    ("duration", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (185, "3 min 5 s"), (7450, "2 h 4 min")]
)
def test_a_duration_is_as_long_as_it_is_useful(duration: float, words: str) -> None:
    assert seconds(duration) == words
