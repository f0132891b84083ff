"""Every route × role × centre: allowed where declared, refused elsewhere, nothing of another centre seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import true

from service.accounts import second_step
from service.accounts.rights import Right, Role
from service.app import ROUTE_TABLES
from service.cases import visibility
from service.errors import Forbidden
from service.http.routing import SIGNED_IN, Reach, RouteTable, Visit, Wire
from service.keys import Keyring
from service.push.audiences import EVERYBODY, Kind, audience_of
from service.store.engine import Store
from tests.integration.rights import cells, house, matrix
from tests.integration.rights.house import LEFT, open_house
from tests.integration.rights.records import NOW

SOME = ("listener", "coordinator", "analyst")


def test_every_route_says_whose_data_it_reaches_what_it_audits_and_how_it_is_called() -> None:
    assert cells.undeclared() == []


def test_a_new_route_that_the_matrix_cannot_call_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Figure(Wire):
        """A number."""

        value: int

    table = RouteTable("figures")

    @table.get("/figures", right=Right.READ_FIGURES, response=Figure)
    async def figures(_visit: Visit) -> Figure:
        """Figures."""
        return Figure(value=1)

    @table.get("/figures/cases", right=Right.READ_FIGURES, response=Figure, reach=Reach.CASES, audits="why should it")
    async def case_figures(_visit: Visit) -> Figure:
        """Figures of cases."""
        return Figure(value=1)

    monkeypatch.setattr(house, "ROUTE_TABLES", (*ROUTE_TABLES, table))
    assert cells.undeclared()[-1].endswith("reaches cases and leaves no trace on the audit trail")
    assert [line.split(": ", 1)[0] for line in cells.undeclared()] == [
        *["GET /api/v1/figures"] * 3,
        *["GET /api/v1/figures/cases"] * 2,
    ]


@pytest.mark.timeout(600)  # a thousand requests and more, also on a busy machine
async def test_nobody_sees_or_does_what_their_role_and_centre_do_not_allow(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring) as opened:
        report = await matrix.run(opened)
    print(report)
    assert not report.leaks, "\n".join(report.leaks)
    assert not report.wrong, "\n".join(report.wrong)
    assert report.cells > 1000
    assert report.allowed > 300


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_the_same_holds_on_postgresql(store: Store, keyring: Keyring) -> None:
    async with open_house(store, keyring) as opened:
        report = await matrix.run(opened, casts=("listener", "coordinator", "nobody"))
    assert not report.leaks, "\n".join(report.leaks)
    assert not report.wrong, "\n".join(report.wrong)
    assert report.cells > 300


async def test_whoever_lacks_a_second_step_that_their_role_asks_for_has_no_right_at_all(
    sqlite_store: Store, keyring: Keyring
) -> None:
    asked = frozenset(Role)
    async with open_house(sqlite_store, keyring, casts=["every role"], second_step_roles=asked) as opened:
        viewer = opened.viewers[0]
        for route in house.every_route():
            if not isinstance(route.need, Right):
                continue
            address = route.address.format(contact_id=1, case_id=1, call_id="c1")
            async with viewer.client.request(route.method, address, json={}) as response:
                assert response.status == 403, route
                assert (await response.json())["error"]["id"] == "second-step-missing"
        async with viewer.client.ws_connect("/api/v1/live") as socket:
            assert {one["kind"] for one in (await socket.receive_json())["entities"]} <= {"line"}


async def test_who_is_asked_for_a_second_step_in_a_contact_finishes_it_with_what_it_needs(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["every role"]) as opened:
        viewer = opened.viewers[0]
        async with viewer.client.post("/api/v1/phone", json={}) as response:
            assert response.status == 200
        assert await second_step.ask_of_sessions(sqlite_store, keyring, [Role.DPO], NOW) == 2
        held = opened.held[viewer.account_id]
        words = {"contact_id": held.contact_id, "case_id": held.case_id, "call_id": held.call_id}
        for route in house.every_route():
            if not isinstance(route.need, Right):
                continue
            async with viewer.client.request(route.method, route.address.format(**words), json={}) as response:
                missing = response.status == 403 and (await response.json())["error"]["id"] == "second-step-missing"
                assert missing is not route.in_contact, route
        async with viewer.client.ws_connect("/api/v1/live") as socket:
            shown = (await socket.receive_json())["entities"]
        assert {one["kind"] for one in shown} == {"me", "offer", "contact"}, "their own, and not the line's"
        (offer,) = [one["value"] for one in shown if one["kind"] == "offer"]
        assert (offer["number"], offer["contacts"], offer["cases"]) == ("unavailable", 0, [])


# --- mistakes, planted: each is seen ----------------------------------------------------------------------------------


async def _leaks(
    store: Store, keyring: Keyring, only: str, *, among: Collection[str] = SOME, **how: Any
) -> matrix.Report:
    async with open_house(store, keyring, **how) as opened:
        return await matrix.run(opened, only=only, casts=among)


def _without_right(method: str, path: str) -> list[RouteTable]:
    """The application with one route that asks for no right any more."""
    return [
        replace(
            table,
            routes=[
                replace(route, need=SIGNED_IN) if (route.method, route.path) == (method, path) else route
                for route in table.routes
            ],
        )
        for table in ROUTE_TABLES
    ]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/audit"), ("GET", "/calls"), ("POST", "/listener/pause"), ("GET", "/drafts")]
)
async def test_a_route_that_lost_its_right_is_found(
    sqlite_store: Store, keyring: Keyring, method: str, path: str
) -> None:
    report = await _leaks(sqlite_store, keyring, f"/api/v1{path}", tables=_without_right(method, path))
    assert any(leak.startswith(f"{method} /api/v1{path} by") for leak in report.leaks)


async def test_a_query_that_forgot_whose_the_cases_are_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cases.visibility._of_team", lambda _viewer: true())
    report = await _leaks(sqlite_store, keyring, "/api/v1/c")
    found = {leak.split(" by ", 1)[0] for leak in report.leaks}
    assert {"GET /api/v1/contacts/{contact_id}", "GET /api/v1/cases/{case_id}"} <= found
    assert {"PUT /api/v1/contacts/{contact_id}/notes", "POST /api/v1/contacts/{contact_id}/case"} <= found


async def test_a_query_that_forgot_to_whom_a_case_is_closed_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cases.visibility.not_closed_to", lambda _account_id: true())
    report = await _leaks(sqlite_store, keyring, "/api/v1/cases")
    assert any("(closed to them)" in leak for leak in report.leaks)


@pytest.mark.parametrize("kind", [Kind.OFFER, Kind.CONTACT, Kind.CALL], ids=str)
async def test_a_feed_that_tells_everybody_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    def widely(asked: Kind, account_id: int | None = None, *, confined: bool = False) -> object:
        return EVERYBODY if asked is kind else audience_of(asked, account_id, confined=confined)

    monkeypatch.setattr("service.push.hub.audience_of", widely)
    report = await _leaks(sqlite_store, keyring, "/api/v1/live")
    assert any(leak.startswith("GET /api/v1/live by") for leak in report.leaks)


async def test_an_answer_that_tells_that_a_foreign_case_exists_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _tells_apart(monkeypatch)
    report = await _leaks(sqlite_store, keyring, "/api/v1/cases/{case_id}")
    assert seen, "the mistake was made"
    assert any("404" in leak for leak in report.leaks)


def _tells_apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A foreign case is refused by another sentence than one that does not exist."""
    from service.cases import editing, queries

    refused: list[int] = []
    read: Callable[..., Any] = editing.read_case

    async def telling(session: Any, keyring: Any, viewer: Any, case_id: int, at: Any) -> Any:
        if case_id != matrix.UNKNOWN_ID and await queries.case_for(session, viewer, case_id) is None:
            refused.append(case_id)
            raise Forbidden("case-elsewhere", "This case is another centre's.")
        return await read(session, keyring, viewer, case_id, at)

    monkeypatch.setattr(editing, "read_case", telling)
    return refused


async def test_a_read_that_leaves_no_trace_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgets(*_arguments: Any, **_more: Any) -> None:
        """Puts nothing on the trail."""

    monkeypatch.setattr("service.cases.editing.append", forgets)
    report = await _leaks(sqlite_store, keyring, "/api/v1/contacts/{contact_id}")
    assert any("not on the trail: contact.read of contact" in wrong for wrong in report.wrong)


async def test_a_contact_that_keeps_more_than_it_needs_is_found(sqlite_store: Store, keyring: Keyring) -> None:
    """Whoever was deactivated in it: a route too many, and records beside their contact."""
    tables = [
        replace(table, routes=[replace(route, in_contact=True) for route in table.routes]) for table in ROUTE_TABLES
    ]
    report = await _leaks(sqlite_store, keyring, "/api/v1/listener", among=[LEFT], tables=tables)
    found = {leak.split(" by ", 1)[0] for leak in report.leaks}
    assert {"POST /api/v1/listener/sign-in", "POST /api/v1/listener/pause"} <= found


async def test_a_query_that_shows_them_more_than_their_contact_is_found(
    sqlite_store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cases.visibility._held", visibility._took_part)
    report = await _leaks(sqlite_store, keyring, "/api/v1/contacts", among=[LEFT])
    assert any("(once in contact)" in leak for leak in report.leaks)
