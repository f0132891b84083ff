"""The API's description (OpenAPI 3.1), from what the routes declare; the front end generates its types from it.

`python -m service.cli.describe openapi` prints it, without a database: the same routes, the same bytes.

The document is built of openapi-pydantic's typed objects, the schemas by pydantic from the models themselves. Beyond
the standard: `x-right` of each operation, `x-errors` (ids of errors by status), and `x-websocket` of a live feed, which
names what is sent in each direction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from openapi_pydantic import (
    Components,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Tag,
)
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.http.cookie import COOKIE
from service.http.errors import ErrorOut, status_of
from service.http.routing import PUBLIC, NoQuery, Nothing, Open, Route, RouteTable, all_routes

_REF: Final = "#/components/schemas/{model}"
_NAME: Final = re.compile(r"\{(\w+)[^}]*\}")
_SESSION: Final = "session"
_WORDS: Final[Mapping[int, str]] = {
    401: "Nobody is signed in, or somebody else than the page takes them for (header `X-Ecoute-Account`).",
    403: "Not allowed.",
    404: "There is no such thing, or it is not yours to see.",
    409: "It fits no longer what is stored.",
    413: "Too large.",
    422: "What was sent does not fit: `faults` tells where.",
    429: "Tried too often: `Retry-After` says when again.",
    503: "A part that this needs does not answer now.",
}
_INTRODUCTION: Final = (
    "The HTTP interface and live feed of a listening line. An error's `id` is stable and says what happened; its "
    "`message` says what to do next. `x-right` is what an account needs; `x-errors` names the errors that are foreseen."
)
_Schemas = dict[str, Any]
_Refs = Mapping[tuple[Any, JsonSchemaMode], dict[str, Any]]


def describe(tables: Sequence[RouteTable]) -> dict[str, Any]:
    """The description of these features' routes, as JSON values."""
    return document(tables).model_dump(mode="json", by_alias=True, exclude_unset=True)


def document(tables: Sequence[RouteTable]) -> OpenAPI:
    """The description of these features' routes."""
    routes = sorted(all_routes(tables), key=lambda route: (route.address, route.method))
    names = [route.name for route in routes]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"operations with the same name: {', '.join(sorted(twice))}")
    refs, definitions = models_json_schema(_models(tables, routes), ref_template=_REF)
    schemas: _Schemas = definitions.get("$defs", {})
    paths: dict[str, dict[str, Operation]] = {}
    for route in routes:
        paths.setdefault(_NAME.sub(r"{\1}", route.address), {})[route.method.lower()] = _operation(route, refs, schemas)
    return OpenAPI(
        openapi="3.1.1",
        info=Info(title="Écoute", version="1", description=_INTRODUCTION),
        tags=[Tag(name=feature) for feature in sorted({route.feature for route in routes})],
        paths={path: PathItem(**operations) for path, operations in paths.items()},
        components=Components(
            schemas={name: Schema.model_validate(schema) for name, schema in sorted(schemas.items())},
            responses={"Error": Response(description="It failed.", content=_json(refs[ErrorOut, "serialization"]))},
            securitySchemes={_SESSION: SecurityScheme(type="apiKey", security_scheme_in="cookie", name=COOKIE)},
        ),
    )


def _models(tables: Sequence[RouteTable], routes: Sequence[Route]) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    found: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ErrorOut, "serialization"): None}
    for route in routes:
        if route.body is not Nothing:
            found[route.body, "validation"] = None
        if route.query is not NoQuery:
            found[route.query, "validation"] = None
        for model in (route.response, route.conflict, route.sends):
            if model is not None:
                found[model, "serialization"] = None
    for table in tables:
        found.update(dict.fromkeys((model, "serialization") for model in table.schemas))
    return list(found)


def _operation(route: Route, refs: _Refs, schemas: _Schemas) -> Operation:
    failures = errors_of(route)
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.feature],
        "security": [] if route.need is PUBLIC else [{_SESSION: []}],
        "responses": {**_done(route, refs), **_failed(route, failures, refs)},
        "x-right": route.need.value,
        "x-errors": {str(status): ids for status, ids in failures.items()},
    }
    if parameters := _parameters(route, refs, schemas):
        described["parameters"] = parameters
    if route.body is not Nothing:
        described["requestBody"] = RequestBody(required=True, content=_json(refs[route.body, "validation"]))
    if route.websocket:
        sent = refs[route.sends, "serialization"] if route.sends is not None else None
        described["x-websocket"] = {"service-to-page": sent, "page-to-service": None}
    return Operation(**described)


def errors_of(route: Route) -> dict[int, list[str]]:
    """Ids of the errors that a route is known to answer with, by status: the guard's, then its own."""
    found: list[tuple[int, str]] = []
    if route.need is not PUBLIC:
        found += [(401, "not-signed-in"), (401, "another-account")]
        found += [] if route.in_contact else [(403, "account-ended")]
    if route.method != "GET" or route.websocket:
        found.append((403, "origin-refused"))
    if not isinstance(route.need, Open):
        found += [(403, "right-missing"), (403, "second-step-missing")]
    if _NAME.search(route.path):
        found.append((404, "not-found"))
    if route.body is not Nothing:
        found += [(413, "body-too-large"), (422, "body-not-json"), (422, "body-unfit")]
    if route.query is not NoQuery:
        found.append((422, "query-unfit"))
    if route.per_minute is not None:
        found.append((429, "asked-too-often"))
    found += [(status_of(kind), error_id) for kind, error_id in route.fails]
    found.append((503, "store-unavailable"))
    by_status: dict[int, list[str]] = {}
    for status, error_id in sorted(found, key=lambda one: one[0]):
        by_status.setdefault(status, []).append(error_id)
    return by_status


def _done(route: Route, refs: _Refs) -> dict[str, Response]:
    if route.websocket:
        return {"101": Response(description="The WebSocket is open.")}
    if route.response is None:
        return {str(route.status): Response(description="Done.")}
    return {str(route.status): Response(description="Done.", content=_json(refs[route.response, "serialization"]))}


def _failed(route: Route, failures: Mapping[int, Sequence[str]], refs: _Refs) -> dict[str, Response | Reference]:
    answers: dict[str, Response | Reference] = {
        str(status): _error(f"{_WORDS[status]} Ids: {', '.join(ids)}.") for status, ids in failures.items()
    }
    if route.conflict is not None:
        described = f"{_WORDS[409]} Ids: {', '.join(failures.get(409, ['conflict']))}."
        answers["409"] = Response(description=described, content=_json(refs[route.conflict, "serialization"]))
    answers["default"] = _error("It failed in a way that nobody foresaw.")
    return answers


def _parameters(route: Route, refs: _Refs, schemas: _Schemas) -> list[Parameter]:
    # row numbers are integers; what the PBX and the settings name is text
    parameters = [
        _parameter("path", name, {"type": "integer" if _is_number(name) else "string"}, required=True)
        for name in _NAME.findall(route.path)
    ]
    if route.query is not NoQuery:
        schema = schemas[refs[route.query, "validation"]["$ref"].rsplit("/", 1)[1]]
        required = schema.get("required", [])
        parameters += [
            _parameter("query", name, value, required=name in required) for name, value in schema["properties"].items()
        ]
    return parameters


def _parameter(place: str, name: str, schema: dict[str, Any], *, required: bool) -> Parameter:
    return Parameter.model_validate({"in": place, "name": name, "required": required, "schema": schema})


def _json(ref: Mapping[str, Any]) -> dict[str, MediaType]:
    return {"application/json": MediaType.model_validate({"schema": ref})}


def _error(description: str) -> Reference:
    return Reference.model_validate({"$ref": "#/components/responses/Error", "description": description})


def _is_number(name: str) -> bool:
    return name.endswith("_id") and name not in {"call_id", "centre_id", "pbx_id"}


def rendered(tables: Sequence[RouteTable]) -> str:
    """As text; the same tables give the same bytes."""
    return json.dumps(describe(tables), ensure_ascii=False, indent=1) + "\n"
