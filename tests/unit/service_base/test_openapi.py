"""The API's description: valid, complete, and true of what goes wrong."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from pydantic import BaseModel, Field, ValidationError

import service
from pbx.actions import REFUSALS
from service import errors as kinds
from service.accounts.rights import Right
from service.app import ROUTE_TABLES
from service.http import guard
from service.http import routing as http_routing
from service.http.errors import FaultId, unfit
from service.http.openapi import describe, errors_of
from service.http.routing import NoQuery, Nothing, Route, all_routes
from service.http.throttle import Throttle

ROUTES = all_routes(ROUTE_TABLES)
PACKAGE = Path(service.__file__).parent
ERROR_KINDS = {name for name, found in vars(kinds).items() if isinstance(found, type)}
#: raised for the command line alone
NOT_OF_ROUTES = {"username-unfit", "username-taken", "account-unknown", "metrics-refused"}
#: `<what>-unfit` and the like are put together; `not-found` is the answer to a path that is no number
PUT_TOGETHER = {"body-not-json", "body-unfit", "query-unfit", "body-too-large", "store-unavailable", "not-found"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return describe(ROUTE_TABLES)


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_the_service_starts_without_what_the_description_needs() -> None:
    """A fifth of a second of every start, for a page that only who programs asks for."""
    loaded = "import sys, service.app; sys.exit('openapi_pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", loaded], cwd=PACKAGE.parent, check=True)


def test_the_description_is_valid_openapi(described: dict[str, Any]) -> None:
    validate(described)


def test_every_route_tells_what_it_does_what_right_it_needs_and_how_it_fails(described: dict[str, Any]) -> None:
    rights = {right.value for right in Right} | {"public", "signed-in"}
    found = dict(operations(described))
    assert set(found) == {f"{route.method} {route.address}" for route in ROUTES}
    for name, operation in found.items():
        assert len(operation["summary"]) > 5, name
        assert operation["x-right"] in rights, name
        assert operation["security"] == ([] if operation["x-right"] == "public" else [{"session": []}]), name
        assert "default" in operation["responses"], name
        for status, ids in operation["x-errors"].items():
            said = operation["responses"][status]["description"]
            assert ids, name
            assert all(one in said for one in ids), (name, status)
        if operation["x-right"] in {right.value for right in Right}:
            assert "right-missing" in operation["x-errors"]["403"], name


def test_the_examples_are_what_the_routes_take(described: dict[str, Any]) -> None:
    shown = 0
    for route in BODIES:
        for example in described["components"]["schemas"][route.body.__name__].get("examples", []):
            route.body.model_validate(example)
            shown += 1
    assert shown >= 5


def test_the_live_feed_tells_its_messages_and_that_pages_send_none(described: dict[str, Any]) -> None:
    feed = described["paths"]["/api/v1/live"]["get"]["x-websocket"]
    assert feed == {"service-to-page": {"$ref": "#/components/schemas/LiveMessage"}, "page-to-service": None}
    message = described["components"]["schemas"]["LiveMessage"]
    assert message["discriminator"]["propertyName"] == "type"
    assert set(message["discriminator"]["mapping"]) == {"snapshot", "changes", "tick", "refetch"}


# --- how it fails -----------------------------------------------------------------------------------------------------


def raised_ids() -> set[str]:
    """The ids of all errors that the service's code makes, but for those that it puts together."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            first = node.args[0] if node.args else None
            if node.func.id in ERROR_KINDS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_every_error_that_the_code_makes_is_foreseen_by_a_route_and_the_other_way_round() -> None:
    made = raised_ids() - NOT_OF_ROUTES
    refused = {f"pbx-{reason}" for reason in REFUSALS}
    foreseen = {one for route in ROUTES for ids in errors_of(route).values() for one in ids}
    assert made - foreseen == set(), "declare these with fails=… on the routes that answer them"
    assert foreseen - made - PUT_TOGETHER - refused == set(), "no code makes these any more"


def _strings(source: object) -> set[str]:
    assert hasattr(source, "__file__")
    tree = ast.parse(Path(str(source.__file__)).read_text())
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_what_the_guard_says_itself_is_told_of_every_route_that_it_guards() -> None:
    assert {"not-signed-in", "origin-refused", "right-missing"} <= _strings(guard) | _strings(http_routing)
    for route in ROUTES:
        told = errors_of(route)
        assert ("not-signed-in" in told.get(401, [])) == (route.need.value != "public")
        assert ("another-account" in told.get(401, [])) == (route.need.value != "public")
        assert ("origin-refused" in told.get(403, [])) == (route.method != "GET" or route.websocket)
        assert ("body-unfit" in told.get(422, [])) == (route.body is not Nothing)
        assert ("query-unfit" in told.get(422, [])) == (route.query is not NoQuery)


# --- what does not fit ------------------------------------------------------------------------------------------------

BODIES = [route for route in ROUTES if route.body is not Nothing]
#: anything that JSON can say, leaning towards what real fields hold
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**20, 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "2026-03-01", "2026-03-01T08:00:00Z", "hoax", "38", "fr"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_whatever_is_wrong_with_a_body_has_a_stable_id_that_pages_can_say(route: Route) -> None:
    fields = list(route.body.model_fields)

    @settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from([*fields, "other"]), JSON) | JSON)
    def try_it(body: Any) -> None:
        refused = _refusal(route.body, json.dumps(body))
        ids = {fault["id"] for fault in _faults(refused)} if refused else set()
        assert ids <= set(get_args(FaultId)) - {"unfit"}, refused

    try_it()


def _refusal(model: type[BaseModel], text: str) -> ValidationError | None:
    try:
        model.model_validate_json(text)
    except ValidationError as error:
        return error
    return None


def _faults(error: ValidationError) -> list[dict[str, Any]]:
    told = unfit(error, "body")
    faults: list[dict[str, Any]] = told.details["faults"]  # type: ignore[assignment]
    assert faults
    return faults


class Form(BaseModel):
    """Something with limits."""

    text: Annotated[str, Field(max_length=3)]
    word: Annotated[str, Field(min_length=2)] = "ab"
    count: Annotated[int, Field(le=9)] = 0


def test_a_fault_tells_its_field_and_limit_and_never_what_was_sent() -> None:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate({"text": "secret", "word": "x", "count": 10, "other": 1})
    told = unfit(caught.value, "body")
    assert told.details["faults"] == [
        {"id": "string-too-long", "field": "text", "limit": 3},
        {"id": "string-too-short", "field": "word", "limit": 2},
        {"id": "less-than-equal", "field": "count", "limit": 9},
    ]
    assert "secret" not in str(told.details) + told.message
    assert (told.id, told.field) == ("body-unfit", "text")


def test_a_fault_that_pages_do_not_know_is_still_a_fault() -> None:
    class Strange(BaseModel):
        at: time

    with pytest.raises(ValidationError) as caught:
        Strange.model_validate({"at": "x"})
    assert _faults(caught.value) == [{"id": "unfit", "field": "at"}]


def test_the_description_has_until_when_somebody_who_asked_too_often_waits(described: dict[str, Any]) -> None:
    throttle = Throttle()
    throttle.take(1, "things", 1, 0.0)
    with pytest.raises(kinds.TooMany) as caught:
        throttle.take(1, "things", 1, 0.0)
    assert set(caught.value.details) <= set(described["components"]["schemas"]["ErrorBody"]["properties"])
