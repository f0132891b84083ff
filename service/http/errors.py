"""Errors on the wire: one shape, stable ids, what to do next, never personal data. Statuses are known here alone."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, get_args

import structlog
from aiohttp import ClientConnectionResetError, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError

from service.errors import (
    Conflict,
    Forbidden,
    NotFound,
    ServiceError,
    TooMany,
    Unauthenticated,
    Unavailable,
    Unfit,
)
from service.store.away import store_is_away

_log = structlog.get_logger(__name__)

_STATUS: Final[dict[type[ServiceError], int]] = {
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Unfit: 422,
    TooMany: 429,
    Unavailable: 503,
}
_OF_AIOHTTP: Final[dict[int, tuple[str, str]]] = {
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This address does not take that method."),
    413: ("body-too-large", "What was sent is too large: shorten it."),
}
CLIENT_WENT: Final = 499  #: as nginx has it: nobody waited for the answer


class ClientWent(Exception):
    """Whoever asked was lost while they sent: a network's matter, and nothing that failed here."""


#: What may be wrong with a field, whatever library finds it out: pages have a sentence for each, in every language.
FaultId = Literal[
    "missing",
    "extra-forbidden",
    "enum",
    "literal-error",
    "bool-parsing",
    "bool-type",
    "int-from-float",
    "int-parsing",
    "int-parsing-size",
    "int-type",
    "greater-than-equal",
    "less-than-equal",
    "string-type",
    "string-unicode",
    "string-too-long",
    "string-too-short",
    "string-pattern-mismatch",
    "date-from-datetime-inexact",
    "date-from-datetime-parsing",
    "date-parsing",
    "date-type",
    "datetime-from-date-parsing",
    "datetime-parsing",
    "datetime-type",
    "list-type",
    "too-long",
    "too-short",
    "model-type",
    "unfit",
]
_FAULTS: Final = frozenset(get_args(FaultId))
_LIMITS: Final = ("max_length", "min_length", "ge", "le")
_MOST_FAULTS: Final = 20


class Fault(BaseModel):
    """One field that does not fit. `limit`: the length or value that it passes, where there is one."""

    id: FaultId
    field: str
    limit: int | None = None


class ErrorBody(BaseModel):
    """`id`: stable, kebab-case. `message`: what to do next. `field`: of the body or query, where one is at fault.

    `faults`: of a body or query that does not fit, all of them; for pages, which say it in their own language.
    `retry_after_seconds`: of what was asked too often, until it may be asked again.
    """

    id: str
    message: str
    field: str | None = None
    faults: list[Fault] | None = None
    retry_after_seconds: float | None = None


class ErrorOut(BaseModel):
    """Every error looks so."""

    error: ErrorBody


def error_response(status: int, error_id: str, message: str, **more: Any) -> web.Response:
    """An error as JSON."""
    shown = {name: value for name, value in more.items() if value is not None}
    return web.json_response({"error": {"id": error_id, "message": message, **shown}}, status=status)


def unfit(error: ValidationError, what: str) -> Unfit:
    """What pydantic refused, without what was sent: it may be personal."""
    found = error.errors(include_url=False, include_input=False)
    first = found[0]
    if first["type"] == "json_invalid":
        return Unfit(f"{what}-not-json", "Send JSON.")
    message = "There is no such field." if first["type"] == "extra_forbidden" else f"{first['msg']}."
    faults = [_fault(one["type"], one["loc"], one.get("ctx", {})) for one in found[:_MOST_FAULTS]]
    told = {"faults": [fault.model_dump(exclude_none=True) for fault in faults]}
    return Unfit(f"{what}-unfit", message, field=faults[0].field or None, details=told)


def _fault(kind: str, place: tuple[int | str, ...], context: dict[str, Any]) -> Fault:
    fault_id: Any = kind.replace("_", "-")
    limit = next((context[name] for name in _LIMITS if isinstance(context.get(name), int)), None)
    field = ".".join(str(part) for part in place)
    return Fault(id=fault_id if fault_id in _FAULTS else "unfit", field=field, limit=limit)


def status_of(kind: type[ServiceError]) -> int:
    """The HTTP status of a kind of error."""
    return next(status for known, status in _STATUS.items() if issubclass(kind, known))


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what was raised into an answer; what nobody foresaw is logged without values and answered 500."""
    try:
        return await handler(request)
    except ServiceError as error:
        return _from_service(error)
    except web.HTTPException as error:
        if error.status not in _OF_AIOHTTP:
            raise
        return error_response(error.status, *_OF_AIOHTTP[error.status])
    except (ClientWent, ClientConnectionResetError):
        return web.Response(status=CLIENT_WENT)
    except Exception as error:
        return _store_unavailable(error) if store_is_away(error) else _unforeseen(request)


def _from_service(error: ServiceError) -> web.Response:
    response = error_response(status_of(type(error)), error.id, error.message, field=error.field, **error.details)
    if isinstance(error, TooMany):
        wait = error.details.get("retry_after_seconds", 60)
        response.headers["Retry-After"] = str(math.ceil(float(str(wait))))
    return response


def _store_unavailable(error: Exception) -> web.Response:
    _log.warning("the store does not answer", action="store-unavailable", error=type(error).__name__)
    response = error_response(
        503, "store-unavailable", "The database does not answer: it is tried again; keep the page open."
    )
    response.headers["Retry-After"] = "2"
    return response


def _unforeseen(request: web.Request) -> web.Response:
    resource = request.match_info.route.resource
    _log.exception("a request failed", action="request-failed", route=resource.canonical if resource else "?")
    return error_response(500, "internal-error", "Something failed here: try again, and tell the administrator.")
