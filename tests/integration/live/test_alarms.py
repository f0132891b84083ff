"""What is wrong is said within ten seconds, wherever people look, and taken back within ten: with the real parts.

Each test makes the fault itself (a killed Asterisk, a held database, a full disk) and looks at the supervisor's page,
/readyz and /metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.live.line import PASSWORD, LiveLine, Page
from tests.support.postgres import Postgres, running_postgres
from tests.support.sipp import Caller, Phone, number
from tests.support.stores import _upgrade
from tests.support.users import directory_for_all
from tests.support.wait import until

WITHIN = 10.0  #: seconds: an alarm is there, and gone, so long after its cause
#: what the machine of a test needs more, where several tests share it
SLACK = 2.0


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLine]:
    with LiveLine(tmp_path_factory.mktemp("line"), health={"disk_low_mb": 1, "disk_full_mb": 0}) as line:
        yield line


# --- how it is seen


def get(line: LiveLine, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", line.http_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def readiness(line: LiveLine) -> dict[str, Any]:
    status, body = get(line, "/readyz")
    found: dict[str, Any] = json.loads(body)
    assert status == (200 if found["ready"] else 503)
    return found


def figure(line: LiveLine, name: str, **labels: str) -> float | None:
    """A sample of /metrics, as Prometheus would read it."""
    status, text = get(line, "/metrics")
    assert status == 200, text
    for sample in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE):
        found = dict(re.findall(r'(\w+)="([^"]*)"', sample[0]))
        if labels.items() <= found.items():
            return float(sample[1])
    return None


def alarms(page: Page, kind: str = "alarm") -> set[tuple[str, str]]:
    return {(alarm["id"], alarm["subject"]) for alarm in page.all(kind)}


def causes(page: Page, alarm: str) -> list[str | None]:
    return [found["cause"] for found in page.all("alarm") if found["id"] == alarm]


def is_said(line: LiveLine, page: Page, alarm: str, subject: str, since: float) -> float:
    """On the board, in /readyz and in /metrics. How long it took, in seconds."""
    found = (alarm, subject)
    until(lambda: found in alarms(page), f"{found} is on the board", WITHIN + SLACK)
    until(lambda: alarm in readiness(line)["alarms"], f"{found} is in /readyz")
    until(lambda: figure(line, "ecoute_alarms_active", id=alarm), f"{found} is in /metrics")
    return time.monotonic() - since


def is_over(line: LiveLine, page: Page, alarm: str, subject: str) -> None:
    until(lambda: (alarm, subject) not in alarms(page), f"{alarm} is over on the board", WITHIN + SLACK)
    until(lambda: alarm not in readiness(line)["alarms"], f"{alarm} is over in /readyz")
    until(lambda: figure(line, "ecoute_alarms_active", id=alarm) == 0, f"{alarm} is over in /metrics")


def nothing_is_wrong(line: LiveLine, page: Page) -> None:
    until(lambda: not alarms(page) and not readiness(line)["reasons"], lambda: f"no alarm lasts: {alarms(page)}", 20)


# --- the PBX


def test_a_killed_pbx_is_an_alarm_until_it_is_back(line: LiveLine) -> None:
    page = line.page("supervisor")
    nothing_is_wrong(line, page)
    line.pbx.kill()
    since = time.monotonic()
    took = is_said(line, page, "pbx-lost", "pbx1", since)
    assert took < WITHIN
    until(lambda: readiness(line)["checks"]["pbx"] == "failed", "and it is not ready")
    found = readiness(line)
    assert not found["ready"]
    assert {"pbx-lost", "pbx-does-not-answer"} <= set(found["reasons"])
    assert page.one("line")["state"] == "lost"
    assert figure(line, "ecoute_pbx_up", pbx="pbx1") == 0
    assert figure(line, "ecoute_calls_live", pbx="pbx1") is None, "no data is no data, never zero"
    line.pbx.start_again()
    is_over(line, page, "pbx-lost", "pbx1")
    assert figure(line, "ecoute_ami_reconnects_total", pbx="pbx1") == 1
    nothing_is_wrong(line, page)


def test_a_pbx_that_refuses_our_account_is_an_alarm_until_the_right_secret_is_put_back(line: LiveLine) -> None:
    secrets = line.pbx.layout.secrets
    right = secrets.read_text()
    line.stop_service()
    secrets.write_text(json.dumps(json.loads(right) | {"service": "not-the-secret"}))
    try:
        line.start_service(wait=False)
        until(lambda: line.answers("/healthz"), "the service lives", 30)
        page = line.page("supervisor")
        is_said(line, page, "pbx-refused", "pbx1", time.monotonic())
        assert "pbx-refused" in readiness(line)["reasons"]
    finally:
        secrets.write_text(right)
    until(lambda: not alarms(page), "a minute later it is read again, and taken", 90)
    nothing_is_wrong(line, page)


# --- the store


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """Another program has the database, and lets nobody write."""
    other = sqlite3.connect(file, isolation_level=None, timeout=5)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def test_with_the_database_locked_calls_flow_it_is_said_and_nothing_acknowledged_is_lost(line: LiveLine) -> None:
    page = line.page("supervisor")
    listener, phone = line.listener("listener1")
    caller = line.caller(number("+33639980041"))
    contact = until(lambda: listener.one("contact"), "the contact is there")["contact_id"]
    saved = listener.must("PUT", f"/contacts/{contact}/notes", {"text": "dit avant", "version": 0})
    nothing_is_wrong(line, page)
    with held(line.folder / "var" / "ecoute.db"):
        since = time.monotonic()
        took = is_said(line, page, "database-not-storing", "", since)
        assert took < WITHIN + SLACK  # within ten seconds where the browser's test has the machine to itself
        # it begins seven seconds after the last write, about when the first refusal of the database says why
        until(lambda: causes(page, "database-not-storing") == ["locked"], "the board says why")
        until(lambda: alarms(listener, "notice") == {("notes-not-saving", "")}, "the listener's page is told")
        assert alarms(listener) == set(), "and nothing else"
        until(lambda: readiness(line)["reasons"] == ["database-not-storing"], "and nothing else is wrong")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: caller.was_hung_up_on, "the call ends as ever")
        until(lambda: listener.one("me")["state"] == "wrap-up", "and the listener writes up")
        assert (figure(line, "ecoute_recorder_backlog_batches", pbx="pbx1") or 0) > 0, "facts wait"
        refused, _ = listener.ask("PUT", f"/contacts/{contact}/notes", {"text": "dit pendant", "version": 1})
        assert refused == 503, "never said to be saved"
    is_over(line, page, "database-not-storing", "")
    until(lambda: not alarms(listener, "notice"), "the listener's page is told that it saves again", WITHIN)
    answer = listener.must("PUT", f"/contacts/{contact}/notes", {"text": "dit pendant", "version": saved["version"]})
    assert answer["version"] == saved["version"] + 1
    until(lambda: figure(line, "ecoute_recorder_backlog_batches", pbx="pbx1") == 0, "what waited is stored")
    listener.must("POST", "/listener/resume", {})
    listener.must("POST", "/listener/sign-out", {})


def test_a_database_file_that_is_moved_away_takes_nothing_that_would_be_lost(line: LiveLine) -> None:
    page = line.page("supervisor")
    nothing_is_wrong(line, page)
    file = line.folder / "var" / "ecoute.db"
    elsewhere = file.with_name("moved.db")
    file.rename(elsewhere)
    try:
        is_said(line, page, "database-not-storing", "", time.monotonic())
        assert causes(page, "database-not-storing") == ["gone"]
        status, refused = page.ask("PATCH", "/session", {"locale": "en"})
        assert (status, refused["error"]["id"]) == (503, "store-unavailable")
        assert not file.exists(), "no empty one was made in its place"
    finally:
        elsewhere.rename(file)
    is_over(line, page, "database-not-storing", "")
    page.must("PATCH", "/session", {"locale": "fr"})


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One that this test may stop."""
    with running_postgres() as server:
        yield server


def test_with_the_database_gone_the_phone_rings_and_the_page_says_that_the_history_is_not_available(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    own_postgres.sql("CREATE DATABASE line")
    asyncio.run(_upgrade(own_postgres.url("line")))
    with LiveLine(tmp_path, url=own_postgres.url("line"), health={"disk_low_mb": 1, "disk_full_mb": 0}) as line:
        page = line.page("supervisor")
        listener, _phone = line.listener("listener1", ring=60.0)
        nothing_is_wrong(line, page)
        own_postgres.process.send_signal(signal.SIGSTOP)
        try:
            stop_children(own_postgres.process.pid, signal.SIGSTOP)
            line.caller(number("+33639980042"))
            offer = until(lambda: listener.one("offer"), "the phone rings, and the page shows it")
            assert offer["number"] == "unavailable", "that it was never used is not known"
            until(lambda: ("database-not-storing", "") in alarms(page), "it is on the board", WITHIN + SLACK)
            found = readiness(line)  # waits for the store, in vain
            assert {"database-not-storing", "store-does-not-answer"} <= set(found["reasons"])
            assert figure(line, "ecoute_alarms_active", id="database-not-storing") == 1
            until(lambda: listener.one("offer"), "it rings on")  # the queue rings anew every twenty seconds
        finally:
            stop_children(own_postgres.process.pid, signal.SIGCONT)
            own_postgres.process.send_signal(signal.SIGCONT)
        is_over(line, page, "database-not-storing", "")
        until(lambda: (listener.one("offer") or {}).get("number") == "unknown", "now it is known that it is new")


def stop_children(parent: int, how: signal.Signals) -> None:
    """Of PostgreSQL: each connection has a process of its own."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    for pid in said.stdout.split():
        subprocess.run(["kill", f"-{how.name[3:]}", pid], check=False)


# --- disks


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of its own, as only root can make one."""
    with directory_for_all() as folder:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            pytest.skip(f"a disk of its own needs root: {made.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_is_low_then_full_and_calls_flow(small_disk: Path, tmp_path: Path) -> None:
    with LiveLine(small_disk, health={"disk_low_mb": 12, "disk_full_mb": 4}) as line, Phone(tmp_path) as phone:
        page, listener = line.page("supervisor"), line.page("listener1")
        phone.register(line.pbx.ports.sip, f"l{line.ids['listener1']}", PASSWORD)
        listener.must("POST", "/listener/sign-in", {})
        until(lambda: listener.one("me")["state"] == "free", "the listener is free")
        nothing_is_wrong(line, page)
        ballast = small_disk / "ballast"
        since = fill(ballast, leaving=8_000_000)
        assert is_said(line, page, "disk-low", "data", since) < WITHIN
        assert readiness(line)["ready"], "that is a warning"
        since = fill(ballast, leaving=0)
        assert is_said(line, page, "disk-full", "data", since) < WITHIN
        assert ("disk-low", "data") not in alarms(page), "one disk, one alarm"
        with Caller(line.pbx.ports.sip, tmp_path, identity=number("+33639980043")) as caller:
            until(lambda: phone.talks, "a caller is answered all the same")
            until(lambda: ("database-not-storing", "") in alarms(page), "what happens cannot be stored", WITHIN + SLACK)
            until(lambda: alarms(listener, "notice") == {("notes-not-saving", "")}, "the listener's page is told")
            caller.leave()
            until(lambda: not page.all("call"), "the call ends as ever")
        ballast.unlink()
        is_over(line, page, "disk-full", "data")
        is_over(line, page, "database-not-storing", "")
        stored = until(lambda: ended(page), "and the call is in the books afterwards", 20, every=0.5)
        assert stored[0]["result"] == "answered"
        until(lambda: listener.one("me")["state"] in ("wrap-up", "free"), "the page has followed")


def ended(page: Page) -> list[Any]:
    return [call for call in page.must("GET", "/calls")["calls"] if call["ended_at"]]


def fill(ballast: Path, *, leaving: int) -> float:
    """All but so many bytes of the disk. When it was full, by the monotonic clock."""
    with ballast.open("ab") as file, contextlib.suppress(OSError):
        while True:
            free = os.statvfs(ballast).f_bavail * os.statvfs(ballast).f_frsize - leaving
            if free <= 0:
                break
            file.write(b"\0" * min(free, 1_000_000))
            file.flush()
    return time.monotonic()


# --- who may read the figures


def test_figures_are_for_this_machine_alone_and_never_through_a_proxy(line: LiveLine) -> None:
    status, text = get(line, "/metrics")
    assert status == 200
    for name in (
        "ecoute_calls_live",
        "ecoute_listeners",
        "ecoute_ami_events_total",
        "ecoute_http_request_seconds_bucket",
    ):
        assert f"\n{name}" in text, name
    assert not re.search(r"listener1|Listener1|\+33|PJSIP", text), "nobody is in it"
    for headers in (
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "ecoute.example"},
        {"Host": f"192.0.2.1:{line.http_port}"},
        {"Via": "1.1 proxy"},
    ):
        status, text = get(line, "/metrics", **headers)
        assert (status, json.loads(text)["error"]["id"]) == (403, "metrics-refused"), headers
    assert get(line, "/metrics", Host=f"localhost:{line.http_port}")[0] == 200
