"""Somebody changes the PBX behind our back, or it forgot: found and mended within fifteen seconds, counted, logged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.live.line import LiveLine
from tests.support.wait import stays, until

WITHIN = 15.0


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path, listeners=3) as line:
        yield line


def mended(line: LiveLine) -> Counter[str]:
    """How often each kind, by the service's log."""
    kinds = [entry.partition("what=")[2].split()[0] for entry in line.log().splitlines() if "drift-mended" in entry]
    return Counter(kinds)


def database(line: LiveLine, family: str, key: str) -> str:
    """A value of AstDB, or an empty text."""
    said = line.pbx.console(f"database get {family} {key}")
    return said.partition("Value: ")[2].strip()


def serves(line: LiveLine, name: str, queue: str = "national") -> bool:
    return f"(PJSIP/l{line.ids[name]} " in line.pbx.console(f"queue show {queue}") or (
        f"(PJSIP/l{line.ids[name]})" in line.pbx.console(f"queue show {queue}")
    )


def test_what_is_changed_on_the_console_is_put_back_and_a_listener_s_own_leaving_is_not(line: LiveLine) -> None:
    console = line.pbx.console
    for name in ("listener1", "listener2", "listener3"):
        line.listener(name)
    one, two = (f"PJSIP/l{line.ids[name]}" for name in ("listener1", "listener2"))
    until(lambda: database(line, "line", "caller_key") and database(line, "department", "38"), "it has all from us")
    key, route = database(line, "line", "caller_key"), database(line, "department", "38")
    hours = line.pbx.layout.generated / "hours.conf"
    assert (len(key), route, mended(line)) == (16, "centre-38", Counter())

    began = time.monotonic()
    console("database del department 38")
    console("database put department 05 centre-elsewhere")
    console("database put department 00 centre-38")
    console("database put line caller_key aaaaaaaaaaaaaaaa")
    console(f"queue remove member {one} from national")
    console(f"queue set penalty 7 on {two} in national")
    whole = hours.read_text()
    hours.write_text(whole.replace("same => n,GotoIfTime(00:00-23:59,*", "same => n,GotoIfTime(03:00-03:01,*"))
    assert hours.read_text() != whole
    console("dialplan reload")

    until(lambda: database(line, "department", "38") == route, "the deleted route is back", WITHIN)
    until(lambda: database(line, "department", "05") != "centre-elsewhere", "the edited one too", WITHIN)
    until(lambda: database(line, "department", "00") == "", "and what nobody wrote is gone", WITHIN)
    until(lambda: database(line, "line", "caller_key") == key, "the key is ours", WITHIN)
    until(lambda: serves(line, "listener1"), "the listener is rung again", WITHIN)
    until(lambda: "penalty 7" not in console("queue show national"), "nobody is left out", WITHIN)
    until(lambda: hours.read_text() == whole, "the hours are as the PBX was started", WITHIN)
    until(lambda: "03:00-03:01" not in console("dialplan show hours"), "and are loaded", WITHIN)
    assert time.monotonic() - began < WITHIN
    counted = {"route": 3, "caller-key": 1, "sign-in": 1, "penalty": 1, "hours": 1}
    until(lambda: mended(line) == counted, "each is counted once and named in the log", 5)
    assert "aaaaaaaaaaaaaaaa" not in line.log()
    assert key not in line.log()

    page = line.page("listener3")
    page.must("POST", "/listener/sign-out", {})
    until(lambda: not serves(line, "listener3"), "they left")
    stays(lambda: not serves(line, "listener3"), "who left is not called back", 20)
    assert mended(line) == counted


def test_on_its_return_the_service_puts_right_what_was_changed_while_it_was_away(line: LiveLine) -> None:
    console = line.pbx.console
    for name in ("listener1", "listener2", "listener3"):
        line.listener(name)
    line.page("listener3").must("POST", "/listener/sign-out", {})
    until(lambda: not serves(line, "listener3"), "the third has left")
    one, two, three = (f"PJSIP/l{line.ids[f'listener{n}']}" for n in (1, 2, 3))
    line.kill_service()
    console("database del department 38")
    console(f"queue remove member {one} from national")
    console(f"queue add member {three} to national")  # who left, by their own word
    (line.pbx.layout.generated / "queues.conf").write_text("; nothing\n")
    console("queue reload all")
    assert "centre-38" not in console("queue show")
    line.start_service()
    until(lambda: database(line, "department", "38") == "centre-38", "the route is back", WITHIN)
    until(lambda: "centre-38" in console("queue show"), "the centres' queues are back", WITHIN)
    until(lambda: serves(line, "listener1"), "the listener whom the PBX forgot is rung again", WITHIN)
    until(lambda: not serves(line, "listener3"), "the listener who left is not", WITHIN)
    assert serves(line, "listener2")
    assert f"{two} " in console("queue show national") or f"{two})" in console("queue show national")


def test_a_pause_in_one_queue_alone_becomes_a_pause_in_all(line: LiveLine) -> None:
    line.listener("listener1")
    one = f"PJSIP/l{line.ids['listener1']}"
    line.pbx.console(f"queue add member {one} to centre-38")
    line.pbx.console(f"queue pause member {one} queue centre-38 reason meal")
    page = line.page("listener1")
    until(lambda: page.one("me")["pause_reason"] == "meal", "paused everywhere", WITHIN)
    until(lambda: "(paused" in line.pbx.console("queue show national"), "in the national queue, too", WITHIN)
    until(lambda: mended(line)["pause"] == 1, "counted once, as soon as the PBX has said that it did it", 5)
