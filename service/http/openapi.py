"""The API's description (OpenAPI 3.1), from what the routes declare; the front end generates its types from it.

python -m service.http.openapi > openapi.json      # needs no database, same input same bytes
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.http.errors import ErrorOut
from service.http.routing import NoQuery, Nothing, Route, RouteTable, all_routes

_REF: Final = "#/components/schemas/{model}"
_NAME: Final = re.compile(r"\{(\w+)[^}]*\}")
_Keys = Mapping[tuple[Any, JsonSchemaMode], dict[str, Any]]


def describe(tables: Sequence[RouteTable]) -> dict[str, Any]:
    """The description of these features' routes."""
    routes = sorted(all_routes(tables), key=lambda route: (route.address, route.method))
    names = [route.name for route in routes]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"operations with the same name: {', '.join(sorted(twice))}")
    refs, definitions = models_json_schema(_models(tables, routes), ref_template=_REF)
    schemas: dict[str, Any] = definitions.get("$defs", {})
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_NAME.sub(r"{\1}", route.address), {})[route.method.lower()] = _operation(route, refs, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Écoute", "version": "1"},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _models(tables: Sequence[RouteTable], routes: Sequence[Route]) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    found: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ErrorOut, "serialization"): None}
    for route in routes:
        if route.body is not Nothing:
            found[route.body, "validation"] = None
        if route.query is not NoQuery:
            found[route.query, "validation"] = None
        for model in (route.response, route.conflict):
            if model is not None:
                found[model, "serialization"] = None
    for table in tables:
        found.update(dict.fromkeys((model, "serialization") for model in table.schemas))
    return list(found)


def _operation(route: Route, refs: _Keys, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.feature],
        "x-right": route.need.value,
        "responses": _responses(route, refs),
    }
    parameters = [_path_parameter(name) for name in _NAME.findall(route.path)]
    if route.query is not NoQuery:
        schema = _resolved(refs[route.query, "validation"], schemas)
        required = schema.get("required", [])
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": value}
            for name, value in schema["properties"].items()
        ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not Nothing:
        operation["requestBody"] = {"required": True, **_json(refs[route.body, "validation"])}
    return operation


def _responses(route: Route, refs: _Keys) -> dict[str, Any]:
    if route.websocket:
        good: dict[str, Any] = {"101": {"description": "The WebSocket is open."}}
    elif route.response is not None:
        good = {str(route.status): {"description": "Done.", **_json(refs[route.response, "serialization"])}}
    else:
        good = {str(route.status): {"description": "Done."}}
    if route.conflict is not None:
        good["409"] = {"description": "Somebody was first.", **_json(refs[route.conflict, "serialization"])}
    good["default"] = {"description": "It failed.", **_json(refs[ErrorOut, "serialization"])}
    return good


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _path_parameter(name: str) -> dict[str, Any]:
    """Row numbers are integers; what the PBX and the settings name is text."""
    number = name.endswith("_id") and name not in {"call_id", "centre_id", "pbx_id"}
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if number else "string"}}


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return resolved


def rendered(tables: Sequence[RouteTable]) -> str:
    """As text; the same tables give the same bytes."""
    return json.dumps(describe(tables), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Print the description of the whole API."""
    tables = importlib.import_module("service.app").ROUTE_TABLES
    print(rendered(tables), end="")


if __name__ == "__main__":
    main()
