"""Storms and ghosts, on the PBX alone: what refuses at once, floods, is there twice, or went without a word."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.asterisk.line import PASSWORD, Line
from tests.support.audio import CallerAudio
from tests.support.sipp import HOST, Caller, Phone, number
from tests.support.wait import stays, until

#: one try a second (queues.conf: retry), and a little for a machine that is busy
LEGS_PER_SECOND = 1.3
#: callers within a second: in an ordinary hour there are 17
FLOOD = 150


def _broken(line: Line, kind: str) -> Phone:
    """A phone on which `l1` is free, and with which nobody can talk."""
    habits = {"scenario": "unusable"} if kind == "codec" else {"status": kind}
    return line.listener("l1", **habits)


def _audio_ports(line: Line) -> int:
    """Ports of audio that Asterisk holds now."""
    block = range(line.pbx.site.rtp_start, line.pbx.site.rtp_end + 1)
    rows = Path(f"/proc/{line.pbx.running.pid}/net/udp").read_text().splitlines()[1:]
    return sum(int(row.split()[1].rpartition(":")[2], 16) in block for row in rows)


# --- a phone that refuses at once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["codec", "488 Not Acceptable Here", "500 Server Internal Error", "486 Busy Here"])
def test_without_the_service_a_phone_that_refuses_at_once_is_rung_once_a_second_and_no_more(
    tmp_path: Path, kind: str
) -> None:
    with Line(tmp_path, overflow_after=60) as line:
        phone = _broken(line, kind)
        caller = line.caller(number("+33639980001"))
        line.ami.step("queued")
        began = time.monotonic()
        until(lambda: len(phone.rung) >= 4, "it is rung again and again")
        assert len(phone.rung) <= 2 + LEGS_PER_SECOND * (time.monotonic() - began)
        until(lambda: _audio_ports(line) <= 4, "no leg leaves its ports behind")
        line.listener("l2")
        line.ami.joined("connecting national PJSIP/l2")
        assert caller.lives


def test_without_the_service_a_caller_with_such_phones_alone_is_offered_a_centre_in_the_end(line: Line) -> None:
    _broken(line, "500 Server Internal Error")
    caller = line.caller(number("+33639980001"))
    line.ami.step("overflow ask pbx", timeout=30)  # after two rounds, which a phone that is tried makes longer
    assert caller.lives


def test_a_phone_that_has_gone_is_not_rung_at_all(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1")
    phone.register(line.port, "l1", PASSWORD, expires=0)
    until(lambda: line.member("l1")["Status"] == "5", "the queue knows that it is not there")
    caller = line.caller()
    line.ami.step("queued")
    stays(lambda: caller.process.poll() is None and not phone.rung, "it is left alone", 2.5)
    phone.register(line.port, "l1", PASSWORD)
    line.ami.joined("connecting national PJSIP/l1")


# --- a trunk that floods ---------------------------------------------------------------------------------------------


def _answer_seconds(callers: Caller) -> list[float]:
    """From each INVITE to its 200, sorted."""
    asked = {message.call: message.at for message in reversed(callers.all_seen("INVITE", ours=True))}
    taken = {message.call: message.at for message in reversed(callers.all_seen("INVITE", status=200))}
    return sorted(at - asked[call] for call, at in taken.items())


@pytest.mark.alone
def test_many_callers_within_a_second_are_all_answered_and_a_conversation_does_not_notice(
    tmp_path: Path,
) -> None:
    with Line(tmp_path, overflow_after=60, queue_round=60) as line:
        line.heartbeat()
        caller_hears, listener_hears = CallerAudio(440.0), CallerAudio(880.0)
        line.listener("l1", audio=listener_hears)
        talking = line.caller(number("+33639980001"), audio=caller_hears)
        until(lambda: caller_hears.loudness(880.0) > 0.1 and listener_hears.loudness(440.0) > 0.1, "they talk")
        began = time.monotonic()
        flood = line.caller(calls=FLOOD, rate=FLOOD, stay=60)
        until(lambda: len(_answer_seconds(flood)) == FLOOD, "everybody is answered", 30)
        seconds = _answer_seconds(flood)
        assert seconds[len(seconds) // 2] < 3, "a second of ringing is the line's own"
        assert talking.lives
        for hears, voice in ((caller_hears, 880.0), (listener_hears, 440.0)):
            assert hears.packets(began) > 0.9 * 50 * (time.monotonic() - began), "no word is lost"
            assert hears.loudness(voice) > 0.1
        line.listener("l2")
        line.ami.joined("connecting national PJSIP/l2")
        assert not flood.all_seen("INVITE", status=486)


def test_when_no_audio_ports_are_left_for_one_more_they_hear_the_busy_tone_and_are_counted(tmp_path: Path) -> None:
    most = 25
    with Line(tmp_path, overflow_after=60, queue_round=60, audio_ports=4 * most) as line:
        line.heartbeat()
        phone = line.listener("l1")
        talking = line.caller(number("+33639980001"))
        line.ami.joined("connecting national PJSIP/l1")
        # the last place is taken before too many come: of two who ask for it in one instant, each sees the other there
        others = line.caller(calls=most - 1, rate=200, stay=120)
        until(lambda: len(_answer_seconds(others)) == most - 1, "as many as there are ports for are answered", 60)
        flood = line.caller(calls=36, rate=200, stay=60)
        until(lambda: len(_busy(flood)) == 36, "too many: busy", 60)
        until(lambda: len(_refused(line)) == 36, "everybody who was refused is in the journal", 60)
        until(lambda: len(_told_refused(line)) == 36, "and was told to the service")
        until(lambda: len(_hung_up(line, 17)) == 36, "each of them is gone")
        told = [*_told_refused(line), *_hung_up(line, 17)]
        assert {event["CallerIDNum"] for event in told} == {"<unknown>"}, "nobody is told who was refused"
        assert {event["CallerIDName"] for event in told} == {"<unknown>"}
        assert not _answer_seconds(flood)
        assert not _busy(others)
        assert talking.lives
        for user in ("l2", "l3", "l4", "l5"):
            line.phone(user)
            line.ami.ask("QueueAdd", Queue="national", Interface=f"PJSIP/{user}", MemberName=user)  # rung at once
        line.ami.joined("connecting national", nth=5)
        phone.hang_up("Q.850;cause=31")
        line.ami.step("ended listener")
        until(lambda: _callers(line) == most - 1, "who left is counted no more")
        late = line.caller(number("+33639980002"))
        until(lambda: late.answered, "one left, so one more comes in")


def _callers(line: Line) -> int:
    """How many Asterisk counts on the line."""
    return line.pbx.console("group show channels").count("PJSIP/trunk-")


def _busy(callers: Caller) -> set[str]:
    """Calls that heard the busy tone; an answer that was sent again counts once."""
    return {message.call for message in callers.all_seen("INVITE", status=486)}


def _told_refused(line: Line) -> list[dict[str, str]]:
    return [event for event in list(line.ami.events) if event.get("UserEvent") == "CallRefused"]


def _hung_up(line: Line, cause: int) -> list[dict[str, str]]:
    return [event for event in list(line.ami.events) if event["Event"] == "Hangup" and event["Cause"] == str(cause)]


def _refused(line: Line) -> list[dict[str, str]]:
    return [entry for entry in line.journal() if entry["userdeftype"] == "REFUSED"]


# --- a phone registered twice ---------------------------------------------------------------------------------------


def test_the_newer_registration_is_rung_and_the_call_on_the_older_one_goes_on(line: Line) -> None:
    line.heartbeat()
    old = line.listener("l1")
    caller = line.caller(number("+33639980001"))
    line.ami.joined("connecting national PJSIP/l1")
    until(lambda: old.talks, "they talk")
    new = line.phone("l1")
    stays(lambda: caller.lives and old.talks, "the conversation goes on where it is", 1.0)
    old.hang_up("Q.850;cause=31")
    line.ami.step("ended listener")
    line.ami.ask("QueuePause", Interface="PJSIP/l1", Paused="false")
    line.caller(number("+33639980002"))
    line.ami.joined("connecting national PJSIP/l1", nth=2)
    until(lambda: new.talks, "the newer one took it")
    assert len(old.rung) == 1, "nobody's two phones ring"


def test_what_is_registered_last_is_the_only_contact(line: Line) -> None:
    line.phone("l1")
    new = line.phone("l1")
    contacts = [row for row in line.pbx.console("pjsip show contacts").splitlines() if "l1/sip:" in row]
    assert len(contacts) == 1
    assert f":{new.port}" in contacts[0]


# --- a caller whose BYE was lost ------------------------------------------------------------------------------------


class Remains:
    """What answers at the address of a telephone that lost its call: `says`, a status line, or nothing at all."""

    def __init__(self, port: int, says: str) -> None:
        self.asked: list[str] = []
        self._says = says
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, port))
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, sender = self._socket.recvfrom(1 << 16)
                if not data:
                    return
                text = data.decode("utf-8", "replace")
                self.asked.append(text.split(" ", 1)[0])
                if self._says and not text.startswith("ACK "):
                    kept = [
                        row for row in text.split("\r\n") if row.startswith(("Via", "From", "To", "Call-ID", "CSeq"))
                    ]
                    reply = [f"SIP/2.0 {self._says}", *kept, "Content-Length: 0", "", ""]
                    self._socket.sendto("\r\n".join(reply).encode(), sender)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # "not connected", and it wakes the reader all the same
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


#: the shortest interval that RFC 4028 allows; refreshed after half of it, by the line
TIMER = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\nMin-SE: 90\r\n"
HALF_SECONDS = 45
#: a refresh that nobody answers is given up after 64 * T1, and so is the goodbye that follows it (RFC 3261)
GIVEN_UP_SECONDS = 64


def test_a_caller_whose_goodbye_was_lost_is_found_by_the_session_timer(line: Line) -> None:
    line.heartbeat()
    phone = line.listener("l1")
    talking = line.caller(number("+33639980001"), extra=TIMER)
    first = line.ami.joined("connecting national PJSIP/l1").call
    waiting = line.caller(number("+33639980002"), extra=TIMER)
    second = line.ami.step("queued", nth=2).call
    silent = line.caller(number("+33639980003"), stay=200)  # without a timer: nobody asks, and silence ends nothing
    until(lambda: silent.answered, "the third caller is there")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        for caller, says in ((talking, "481 Call/Transaction Does Not Exist"), (waiting, "")):
            caller.stop()
            stack.callback(Remains(caller.port, says).close)
        assert line.ami.step("ended", call=first, timeout=HALF_SECONDS + 10).words == "ended caller talking"
        assert time.monotonic() - began > HALF_SECONDS - 15, "no sooner than the refresh"
        until(lambda: phone.seen("BYE"), "the listener's phone is released")
        assert line.pause_reason("l1") == "wrap-up"
        ended = line.ami.step("ended", call=second, timeout=HALF_SECONDS + GIVEN_UP_SECONDS + 15)
        assert ended.words == "ended caller waiting"
    assert silent.lives
