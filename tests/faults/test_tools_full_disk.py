"""A disk is full: the database's, Asterisk's logs, its journal alone. Calls flow, and all goes on with new room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbx import ways
from pbx.layout import Layout
from service.calls.model import Result
from tests.faults.tools.disk import SmallDisk
from tests.faults.tools.effect import FaultWithoutEffect
from tests.faults.tools.namespaces import own_namespaces
from tests.integration.live.line import LiveLine
from tests.integration.live.test_after_a_gap import contacts, ended
from tests.support.short_prompts import shorten
from tests.support.sipp import Caller, number
from tests.support.wait import until


@pytest.fixture(autouse=True)
def own_mounts() -> Iterator[None]:
    """Of this thread and all that it starts."""
    with own_namespaces(mounts=True):
        yield


def taken(line: LiveLine, digits: str, talks: Callable[[], list[str]]) -> Caller:
    """Somebody rings, and a listener talks to them."""
    before = len(talks())
    caller = line.caller(number(digits))
    until(lambda: len(talks()) > before, "the caller is answered", 25)
    return caller


def test_a_full_disk_of_the_database_keeps_no_caller_waiting_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'db' / 'ecoute.db'}"
    with SmallDisk(tmp_path / "db", megabytes=24) as disk, LiveLine(tmp_path, url=url) as line:
        shorten(line.pbx.layout, "welcome")
        page, phone = line.listener("listener1")
        other, telephone = line.listener("listener2")
        first = taken(line, "+33639980001", lambda: phone.talks + telephone.talks)
        if not phone.talks:
            page, phone, other, telephone = other, telephone, page, phone
        contact = until(lambda: page.one("contact"), "with a contact")["contact_id"]
        text, version = "before", 0
        assert page.ask("PUT", f"/contacts/{contact}/notes", {"text": text, "version": version})[0] == 200
        with disk.full():
            second = taken(line, "+33639980002", lambda: telephone.talks)
            statuses = []
            for nth in range(1, 40):  # the journal of the database has room until it has to grow
                longer = f"{nth} " + "meanwhile " * 400
                status, answer = page.ask("PUT", f"/contacts/{contact}/notes", {"text": longer, "version": version + 1})
                statuses.append(status)
                if status != 200:
                    assert (status, answer["error"]["id"]) == (503, "store-unavailable")
                    break
                text, version = longer, version + 1
            assert statuses[-1] == 503, "it came to be full"
            phone.hang_up(reason="Q.850;cause=31")
            until(lambda: first.was_hung_up_on, "a conversation ends as its people wish")
            assert second.lives
            assert page.must("GET", "/session") is not None
        after = {"text": "after", "version": version + 1}
        until(
            lambda: page.ask("PUT", f"/contacts/{contact}/notes", after)[0] == 200, "with room, all goes on by itself"
        )
        until(lambda: other.one("contact"), "the contact of the call that came meanwhile", 20)
        second.leave()
        calls = ended(line, 2)
        assert [call.result for call in calls] == [Result.ANSWERED] * 2
        assert contacts(line) == 2
        line.kill_service()
        line.start_service()
        page = line.page(page.me["username"])
        assert page.must("GET", f"/contacts/{contact}")["notes"] == "after"


@pytest.mark.parametrize("folder", ["log", "log/cel-custom"])
def test_full_logs_of_asterisk_cut_nobody_and_are_written_again_once_there_is_room(tmp_path: Path, folder: str) -> None:
    layout = Layout.of(tmp_path / "var", "pbx1")
    place = layout.data / folder
    with SmallDisk(place, megabytes=4, mode=0o2750, owner=ways.UID) as disk, LiveLine(tmp_path) as line:
        shorten(layout, "welcome")
        _, phone = line.listener("listener1")
        _, telephone = line.listener("listener2")
        first = taken(line, "+33639980001", lambda: phone.talks + telephone.talks)
        until(lambda: layout.journal.stat().st_size, "Asterisk writes its journal on that disk")
        with disk.full():
            second = taken(line, "+33639980002", lambda: (phone.talks + telephone.talks)[1:])
            for caller in (first, second):
                assert caller.lives
            first.leave()
            ended_one = (phone, telephone)
            until(lambda: sum(len(each.talks) for each in ended_one) == 1, "a conversation ends")
        journal, queue_log = layout.journal.stat().st_size, layout.queue_log.stat().st_size
        second.leave()
        calls = ended(line, 2)
        assert [(call.result, call.ended_by) for call in calls] == [(Result.ANSWERED, "caller")] * 2
        assert contacts(line) == 2
        until(lambda: layout.journal.stat().st_size > journal, "the journal is written again")
        until(lambda: layout.queue_log.stat().st_size > queue_log, "queue_log is written again")
        line.kill_service()
        line.start_service()  # what the journal lacks changes nothing that was stored
        assert [(call.result, call.ended_by) for call in ended(line, 2)] == [(Result.ANSWERED, "caller")] * 2
        assert contacts(line) == 2


def test_a_disk_that_is_not_full_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SmallDisk(tmp_path / "disk", megabytes=1) as disk:
        with disk.full() as filled:
            assert filled.taken > 900_000
            with pytest.raises(OSError, match="No space left"):
                (tmp_path / "disk" / "more").write_bytes(bytes(100))
        assert disk.free > 900_000
        monkeypatch.setattr(SmallDisk, "_fill", lambda _disk, _filled: 0)  # the fault does nothing
        with pytest.raises(FaultWithoutEffect), disk.full():
            pass
