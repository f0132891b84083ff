"""Alarms from measurements: each has its condition, ends by itself, does not flap, and is there within ten seconds."""

from __future__ import annotations

import errno
import sqlite3
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.calls.lookup import Lookup
from service.errors import Forbidden
from service.health.alarms import Alarms
from service.health.causes import cause_of
from service.health.measures import Measures, disk_of, longest_queue
from service.health.metrics import text_of
from service.health.model import (
    DEFINITIONS,
    AlarmId,
    Cause,
    Condition,
    DiskMeasured,
    Key,
    Measured,
    PbxMeasured,
    Severity,
    StoreMeasured,
    Thresholds,
)
from service.health.rules import conditions
from service.health.traffic import NOTES_ROUTE, Traffic
from service.health.watch import Watch
from service.http.options import HttpOptions
from service.http.system import check_reader_of_figures
from service.keys import KeysError
from service.push.audiences import Kind
from service.push.hub import Board
from service.push.views import Views
from service.world import LinkState
from tests.unit.service_live.worlds import PBX, world

NOW = 1_764_000_000.0
LIMITS = Thresholds(
    disk_full_bytes=100,
    disk_low_bytes=1000,
    disk_full_files=10,
    disk_low_files=100,
    clock_offset_seconds=2.0,
    backlog_batches=200,
    backlog_events=2_000,
    tasks_waiting=450,
)
GOOD = PbxMeasured(PBX, since=NOW - 60, heartbeat_age=2.0)
ROOM = DiskMeasured("data", 1, free_bytes=5000, free_files=5000)
CALM = Measured(NOW, StoreMeasured(written_age=2.0), (GOOD,), (ROOM,))


def found(measured: Measured, *held: Key) -> dict[str, Condition]:
    return {str(key): so for key, so in conditions(measured, LIMITS, held).items()}


def of_pbx(**changes: Any) -> Measured:
    return replace(CALM, pbxs=(replace(GOOD, **changes),))


def of_disk(**changes: Any) -> Measured:
    return replace(CALM, disks=(replace(ROOM, **changes),))


def of_store(**changes: Any) -> Measured:
    return replace(CALM, store=replace(CALM.store, **changes))


def test_a_calm_line_has_no_alarm() -> None:
    assert found(CALM) == {}


BOTH = {"database-not-storing", "notes-not-saving"}


@pytest.mark.parametrize(
    ("measured", "ids"),
    [
        (of_pbx(link=LinkState.LOST), {"pbx-lost:pbx1"}),
        (of_pbx(link=LinkState.STARTING, since=NOW - 6), {"pbx-lost:pbx1"}),
        (of_pbx(link=LinkState.STARTING, since=NOW - 1), set()),
        (of_pbx(link=LinkState.REFUSED), {"pbx-refused:pbx1"}),
        (of_pbx(behind=201), {"backlog-growing:pbx1"}),
        (of_pbx(events_waiting=2_001), {"backlog-growing:pbx1"}),
        (of_pbx(waits=16.0), {"backlog-growing:pbx1"}),
        (of_pbx(journal_unreadable=True), {"journal-unreadable:pbx1"}),
        (of_pbx(heartbeat_age=6.5), {"heartbeat-not-sent:pbx1"}),
        (of_pbx(heartbeat_age=60.0, link=LinkState.LOST), {"pbx-lost:pbx1"}),
        (of_pbx(clock_offset=-2.5), {"clock-offset:pbx1"}),
        (of_pbx(tasks_waiting=451), {"task-processors-behind:pbx1"}),
        (of_pbx(storming=("PJSIP/l12",)), {"member-storm:PJSIP/l12"}),
        (Measured(NOW, descriptors=0.95), {"descriptors-short"}),
        (Measured(NOW, descriptors=0.85), set()),
        (of_pbx(storing_fails=4.5, trouble=Cause.FULL), BOTH),
        (of_pbx(storing_fails=1.0, trouble=Cause.LOCKED), set()),
        (of_store(written_age=7.5), BOTH),
        (of_store(file_gone=True), BOTH),
        (of_store(notes_fail=True), {"notes-not-saving"}),
        (of_store(keys_missing=("master-0a1b2c3d.key",)), {"keys-missing:master-0a1b2c3d.key"}),
        (of_disk(free_bytes=999), {"disk-low:data"}),
        (of_disk(free_bytes=99), {"disk-full:data"}),
        (of_disk(free_files=99), {"disk-low:data"}),
        (of_disk(free_files=9), {"disk-full:data"}),
        (of_disk(free_files=None), set()),
        (of_disk(read_only=True), {"disk-full:data"}),
        (of_disk(answers=False), {"disk-unreadable:data"}),
    ],
)
def test_each_alarm_has_its_condition(measured: Measured, ids: set[str]) -> None:
    assert set(found(measured)) == ids


def test_every_alarm_of_the_closed_list_has_a_definition_and_a_condition_of_these() -> None:
    told = {key.id for case in _CASES for key in conditions(case, LIMITS, ())}
    assert told == set(AlarmId) == set(DEFINITIONS)


_CASES = [
    case.args[0] if hasattr(case, "args") else case[0]
    for case in test_each_alarm_has_its_condition.pytestmark[0].args[1]  # type: ignore[attr-defined]
]


def test_directories_on_one_disk_are_one_alarm() -> None:
    small = replace(ROOM, free_bytes=50)
    disks = (small, replace(small, name="database"), replace(small, name="pbx1", device=2))
    assert set(found(replace(CALM, disks=disks))) == {"disk-full:data", "disk-full:pbx1"}


def test_why_the_store_takes_nothing_and_since_when_go_with_the_alarm() -> None:
    measured = replace(of_store(written_age=9.0), pbxs=(replace(GOOD, storing_fails=12.0, trouble=Cause.LOCKED),))
    assert found(measured)["database-not-storing"] == Condition(NOW - 12.0, Cause.LOCKED)


def test_a_level_is_left_only_when_it_is_well_behind() -> None:
    low, backlog = Key(AlarmId.DISK_LOW, "data"), Key(AlarmId.BACKLOG_GROWING, PBX)
    offset = Key(AlarmId.CLOCK_OFFSET, PBX)
    for key, between, behind in (
        (low, of_disk(free_bytes=1050), of_disk(free_bytes=1101)),
        (backlog, of_pbx(behind=100), of_pbx(behind=50)),
        (offset, of_pbx(clock_offset=1.8), of_pbx(clock_offset=1.4)),
    ):
        assert found(between) == {}, "not reached from below"
        assert str(key) in found(between, key), "not left yet"
        assert str(key) not in found(behind, key)


# --- keeping them


def test_an_alarm_begins_and_ends_once_however_often_it_is_looked_at() -> None:
    alarms, lost = Alarms(), {Key(AlarmId.PBX_LOST, PBX): Condition(NOW - 3)}
    began, ended = alarms.judge(lost, NOW, 0.0)
    assert ([str(alarm.key) for alarm in began], ended) == (["pbx-lost:pbx1"], [])
    assert began[0].since == NOW - 3
    assert alarms.judge(lost, NOW + 1, 1.0) == ([], [])
    assert alarms.judge({}, NOW + 2, 2.0) == ([], []), "it might come back at once"
    assert alarms.judge(lost, NOW + 2.5, 2.5) == ([], []), "and did: it never ended"
    alarms.judge({}, NOW + 3, 3.0)
    began, ended = alarms.judge({}, NOW + 4, 4.0)
    assert (began, [str(alarm.key) for alarm in ended], alarms.ids()) == ([], ["pbx-lost:pbx1"], [])


def test_what_must_last_a_while_is_no_alarm_when_it_does_not() -> None:
    alarms, offset = Alarms(), {Key(AlarmId.CLOCK_OFFSET, PBX): Condition()}
    for second in range(12):  # two seconds of it, one without, and so on: a slow answer is no wrong clock
        assert alarms.judge({} if second % 3 == 2 else offset, NOW + second, float(second)) == ([], [])
    for second in range(20, 24):
        alarms.judge(offset, NOW + second, float(second))
    assert alarms.ids() == ["clock-offset"]


def test_any_part_of_the_service_may_raise_an_alarm_which_holds_until_it_is_cleared() -> None:
    alarms = Alarms()
    for second in range(3):
        alarms.raise_(AlarmId.MEMBER_STORM, "PJSIP/l12", NOW)
        alarms.judge({}, NOW + second, float(second))
    (alarm,) = alarms.active.values()
    assert (alarm.key, alarm.since) == (Key(AlarmId.MEMBER_STORM, "PJSIP/l12"), NOW)
    alarms.clear(AlarmId.MEMBER_STORM, "PJSIP/l12")
    alarms.judge({}, NOW + 4, 4.0)
    assert alarms.ids() == []


_keys = st.sampled_from([Key(id_, subject) for id_ in AlarmId for subject in ("", "pbx1")])


@given(st.lists(st.sets(_keys, max_size=6), max_size=40))
def test_whatever_happens_each_alarm_begins_before_it_ends_and_is_gone_soon_after_its_cause(
    looks: list[set[Key]],
) -> None:
    alarms, lasting = Alarms(), set[Key]()
    for second, holds in enumerate([*looks, *[set[Key]()] * 6]):
        began, ended = alarms.judge({key: Condition() for key in holds}, NOW + second, float(second))
        for alarm in began:
            assert alarm.key not in lasting
            lasting.add(alarm.key)
        for alarm in ended:
            lasting.remove(alarm.key)
        assert set(alarms.active) == lasting
    assert not lasting


def test_no_alarm_takes_longer_than_ten_seconds_with_all_that_comes_before_it() -> None:
    """The longest measurement (the store is tried every 2 s and 7 s without success count), and one look a second."""
    for id_, definition in DEFINITIONS.items():
        measured = 7.0 + 2.0 if id_ in (AlarmId.DATABASE_NOT_STORING, AlarmId.NOTES_NOT_SAVING) else 6.0
        assert measured + definition.raise_after + 1.0 <= 10.0, id_
        assert definition.clear_after <= 3.0, id_


# --- showing them


def watch(board: Board, state: LinkState = LinkState.UP) -> Watch:
    made = world(link=state)
    views = Views(made, board, cast("Lookup", None), clock=lambda: NOW)
    return Watch(measures=cast("Measures", None), thresholds=LIMITS, alarms=Alarms(), views=views, world=made)


def test_what_concerns_writers_is_on_their_page_and_the_rest_on_the_board_alone() -> None:
    board = Board()
    looking = watch(board)
    looking.look(replace(of_store(written_age=9.0), disks=(replace(ROOM, free_bytes=500),)), 0.0)
    assert board.ids(Kind.NOTICE) == ["notes-not-saving"]
    assert set(board.ids(Kind.ALARM)) == {"database-not-storing", "notes-not-saving", "disk-low:data"}
    shown = board.value(Kind.ALARM, "disk-low:data")
    assert shown == {
        "id": "disk-low",
        "subject": "data",
        "severity": "warning",
        "since": "2025-11-24T16:00:00.000Z",
        "cause": "bytes",
    }
    looking.look(CALM, 1.0)
    looking.look(CALM, 2.0)
    assert (board.ids(Kind.NOTICE), board.ids(Kind.ALARM)) == ([], [])


@pytest.mark.parametrize(("state", "reasons"), [(LinkState.UP, []), (LinkState.LOST, ["pbx-lost"])])
def test_of_several_pbxs_one_is_enough_to_be_ready(state: LinkState, reasons: list[str]) -> None:
    looking = watch(Board(), state)
    looking.look(of_pbx(link=LinkState.LOST), 0.0)
    assert (looking.alarms(), looking.reasons()) == (["pbx-lost"], reasons)


def test_a_warning_leaves_the_service_ready_and_a_store_that_takes_nothing_does_not() -> None:
    looking = watch(Board())
    looking.look(of_disk(free_bytes=500), 0.0)
    assert (looking.alarms(), looking.reasons()) == (["disk-low"], [])
    looking.look(of_store(written_age=9.0), 1.0)
    assert looking.reasons() == ["database-not-storing"]


def test_the_paper_says_of_every_alarm_what_it_means_and_what_to_do() -> None:
    paper = " ".join(Path("docs/alarms.md").read_text(encoding="utf-8").split())
    for id_, definition in DEFINITIONS.items():
        assert f"`{id_}`" in paper
        assert definition.means in paper, id_
        assert definition.mend in paper, id_
    assert {definition.severity for definition in DEFINITIONS.values()} == set(Severity)


# --- measuring


def driver_error(code: int) -> OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return OperationalError("BEGIN IMMEDIATE", {}, error)


class Postgres(Exception):
    sqlstate = "53100"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (None, None),
        (driver_error(5), Cause.LOCKED),
        (driver_error(5 | (2 << 8)), Cause.LOCKED),
        (driver_error(13), Cause.FULL),
        (driver_error(10 | (3 << 8)), Cause.GONE),
        (driver_error(1), Cause.UNKNOWN),
        (OperationalError("INSERT", {}, Postgres()), Cause.FULL),
        (ConnectionRefusedError(), Cause.GONE),
        (TimeoutError(), Cause.GONE),
        (OSError(errno.ENOSPC, "full"), Cause.FULL),
        (PoolTimeout(), Cause.LOCKED),
        (KeysError("master-key-unknown", "It is not here."), Cause.KEYS),
        (ValueError(), Cause.UNKNOWN),
    ],
)
def test_the_drivers_words_are_told_apart(error: Exception | None, cause: Cause | None) -> None:
    assert cause_of(error) is cause


def test_a_disk_is_measured_and_one_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    there = disk_of("data", tmp_path)
    assert there.answers
    assert (there.free_bytes or 0) > 0
    assert not disk_of("data", tmp_path / "gone").answers


def test_the_longest_queue_inside_asterisk_is_read_from_its_own_words() -> None:
    said = (
        "Processor                  Processed   In Queue  Max Depth  Low water High water Low time(us) High time(us)\n"
        "ast_msg_queue                      0          0          0        450        500          0          0\n"
        "pjsip/distributor-0000001e      1234        460        480        450        500          0          0\n"
        "stasis/m:devicestate:all-00000002 17          3          9        450        500\n"
        "\n149 taskprocessors\n"
    )
    assert longest_queue(said) == 460
    assert longest_queue("No such command 'core show taskprocessors'") is None


def test_notes_that_the_store_refuses_are_told_until_some_are_taken() -> None:
    traffic = Traffic(CollectorRegistry())
    method, route = NOTES_ROUTE
    for status in (409, 499, 500):
        traffic.answered(method, route, status, 0.01)
    assert not traffic.fail(0.0)
    traffic.answered(method, route, 503, 5.0)
    at = time.monotonic()
    assert traffic.fail(at)
    assert not traffic.fail(at + 60), "nobody writes any more"
    traffic.answered(method, route, 200, 0.01)
    assert not traffic.fail(time.monotonic())


def test_how_long_requests_took_is_told_by_declared_route_alone() -> None:
    registry = CollectorRegistry()
    traffic = Traffic(registry)
    for method in ("GET", "BREW"):
        traffic.answered(method, "/api/v1/cases/{case_id}", 404, 0.003)
    text = text_of(registry).decode()
    assert 'ecoute_http_request_seconds_count{method="GET",route="/api/v1/cases/{case_id}",status="4xx"} 1.0' in text
    assert 'method="other"' in text
    assert "BREW" not in text


# --- who may read the figures

TOKEN = "a-token-of-the-tests"
ORIGINS = frozenset({"http://localhost:8080"})


class Connection:
    def __init__(self, peer: str) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._peer, 40000) if name == "peername" else default


def asks(peer: str, options: HttpOptions, **headers: str) -> bool:
    request = make_mocked_request("GET", "/metrics", {"Host": "localhost:8080", **headers}, transport=Connection(peer))
    try:
        check_reader_of_figures(request, options)
    except Forbidden as error:
        return error.id != "metrics-refused"
    return True


@pytest.mark.parametrize(
    ("peer", "headers", "may"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.8.8", {}, True),
        ("::1", {"Host": "[::1]:8080"}, True),
        ("::ffff:127.0.0.1", {"Host": "127.0.0.1"}, True),
        ("192.0.2.7", {}, False),
        ("192.0.2.7", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, False),
        ("127.0.0.1", {"Via": "1.1 proxy"}, False),
        ("127.0.0.1", {"Host": "ecoute.example"}, False),
        ("127.0.0.1", {"Host": "127.0.0.1.example"}, False),
        ("127.0.0.1", {"Authorization": f"Bearer {TOKEN}"}, True),
        ("", {}, False),
    ],
)
def test_without_a_token_figures_are_for_this_machine_alone(peer: str, headers: dict[str, str], may: bool) -> None:
    assert asks(peer, HttpOptions(origins=ORIGINS), **headers) is may


def test_a_trusted_proxy_on_this_machine_is_a_proxy() -> None:
    options = HttpOptions(origins=ORIGINS, trusted_proxies=(ip_network("127.0.0.0/8"),))
    assert not asks("127.0.0.1", options)


@pytest.mark.parametrize(
    ("header", "may"),
    [(f"Bearer {TOKEN}", True), (f"bearer {TOKEN}", True), ("Bearer wrong", False), (TOKEN, False), ("", False)],
)
def test_with_a_token_figures_are_for_whoever_has_it(header: str, may: bool) -> None:
    options = HttpOptions(origins=ORIGINS, metrics_token=TOKEN)
    headers = {"Authorization": header} if header else {}
    for peer in ("127.0.0.1", "192.0.2.7"):
        assert asks(peer, options, **headers) is may
