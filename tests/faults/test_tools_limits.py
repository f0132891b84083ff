"""A process that may open no more files, or have no more memory: refusals are seen, calls go on, and it recovers."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.calls.model import Result
from tests.asterisk.line import Line
from tests.faults.tools.effect import FaultWithoutEffect
from tests.faults.tools.limits import few_descriptors, little_memory
from tests.integration.live.line import LiveLine, Page
from tests.integration.live.test_after_a_gap import contacts, ended
from tests.support.short_prompts import shorten
from tests.support.sipp import number
from tests.support.wait import until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path) as line:
        shorten(line.pbx.layout, "welcome")
        yield line


def pid_of(line: LiveLine) -> int:
    assert line.service is not None
    return line.service.pid


def save(page: Page, contact_id: int, text: str) -> int:
    """The status of the first notes; 0 where there was no answer."""
    try:
        return page.ask("PUT", f"/contacts/{contact_id}/notes", {"text": text, "version": 0})[0]
    except OSError:
        return 0


def refused(port: int) -> bool:
    """A new connection is closed before it is heard."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=3)) as connection:
        try:
            connection.request("GET", "/healthz")
            connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            return True
    return False


def test_a_service_without_descriptors_refuses_newcomers_says_so_and_no_call_is_lost(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    with closing(http.client.HTTPConnection("127.0.0.1", line.http_port, timeout=5)) as kept:

        def health() -> Any:
            kept.request("GET", "/readyz")
            return json.loads(kept.getresponse().read())

        assert health()["ready"]
        with few_descriptors(pid_of(line)):
            until(lambda: refused(line.http_port), "newcomers are refused")
            caller = line.caller(number("+33639980001"))
            until(lambda: phone.talks, "a caller is answered all the same")
            until(lambda: page.one("me")["state"] == "talking", "who has the page open sees it")
            until(lambda: "descriptors-short" in health()["alarms"], "and whoever watches is told", 20)
            assert not health()["ready"]
        until(line.ready, "newcomers are taken again", 15)
        until(lambda: not health()["alarms"], "the alarm is over", 15)
    until(lambda: page.one("contact"), "the contact comes")
    assert "descriptors-short" in line.log()
    caller.leave()
    (call,) = ended(line, 1)
    assert call.result is Result.ANSWERED
    assert contacts(line) == 1


def test_an_asterisk_without_descriptors_refuses_the_next_call_says_so_and_cuts_none(tmp_path: Path) -> None:
    with Line(tmp_path) as line:
        line.heartbeat()
        phone = line.listener("l1")
        first = line.caller(stay=120)
        until(lambda: phone.talks, "two talk")
        with few_descriptors(line.pbx.running.pid):
            second = line.caller()
            final = until(
                lambda: [m for m in second.messages() if m.method == "INVITE" and m.status >= 200],
                "the next caller is told something",
            )[-1]
            assert final.status >= 400, "and not that they are taken"
            assert first.lives
        until(line.complaints, "Asterisk says why")
        third = line.caller()
        until(lambda: third.answered, "the next caller is taken")
        assert first.lives
        assert phone.talks


def test_a_service_without_memory_never_takes_a_call_with_it(line: LiveLine) -> None:
    page, phone = line.listener("listener1")
    caller = line.caller(number("+33639980001"))
    contact = until(lambda: page.one("contact"), "two talk")["contact_id"]
    with little_memory(pid_of(line), 0) as starved:
        assert starved.limit
        statuses = []
        for nth in range(12):
            try:
                statuses.append(
                    page.ask("PUT", f"/contacts/{contact}/notes", {"text": f"{nth} " + "é" * 190_000, "version": 0})[0]
                )
            except OSError:
                statuses.append(0)
    assert set(statuses) <= {500, 503, 0}, "nobody is told that it was saved"
    assert "MemoryError" in line.log()
    assert caller.lives
    assert phone.talks
    until(lambda: save(page, contact, "after") == 200, "with memory, all goes on by itself")
    caller.leave()
    (call,) = ended(line, 1)
    assert call.result is Result.ANSWERED
    assert contacts(line) == 1


def test_the_service_allows_itself_all_the_descriptors_that_the_machine_has() -> None:
    code = "import resource, service.app as a; a.allow_many_files(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    command = ["prlimit", "--nofile=256:4096", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4096", "4096"]


def test_a_limit_that_nobody_met_is_an_error() -> None:
    idle = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(FaultWithoutEffect), few_descriptors(idle.pid, spare=50):
            pass
    finally:
        idle.communicate(b"\n")
