"""Whether the service lives, whether it can work, its figures, and what its API looks like."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web

from service.errors import Forbidden
from service.http.keys import OPTIONS
from service.http.options import HttpOptions, is_trusted, parsed_address
from service.http.routing import PUBLIC, Reach, RouteTable, Visit

#: Returns when the part works, raises when it does not.
Check: TypeAlias = Callable[[], Awaitable[None]]
#: a part that does not answer by then does not answer: whoever asks has limits, too
_CHECK_SECONDS = 2.0
#: anybody may ask how ready we are, as often as they like: the parts are asked once in this time
READINESS_HOLDS_SECONDS: Final = 1.0
_NOTHING = "tells nothing about anybody"
#: a request with one of these came through somebody else
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
_log = structlog.get_logger(__name__)


class Health(Protocol):
    """How the service is, as the watch sees it (service/health)."""

    def alarms(self) -> list[str]:
        """Ids of the alarms that last."""

    def reasons(self) -> list[str]:
        """Ids of those because of which the service cannot work."""

    def figures(self) -> bytes:
        """In Prometheus's text form, without anybody in it."""


class NoHealth:
    """Where nobody watches."""

    def alarms(self) -> list[str]:
        """None are known."""
        return []

    def reasons(self) -> list[str]:
        """None are known."""
        return []

    def figures(self) -> bytes:
        """None are known."""
        return b""


HEALTH: web.AppKey[Health] = web.AppKey("health", Health)


def system(checks: Mapping[str, Check], describe: Callable[[], Mapping[str, Any]]) -> list[RouteTable]:
    """/healthz, /readyz and /metrics for whoever supervises the process; /api/v1/openapi.json for whoever programs.

    `describe`: takes a tenth of a second; called in a thread, when the description is asked for.
    """
    root = RouteTable("system", prefix="")
    api = RouteTable("system")
    readiness, description = _Readiness(checks), _Description(describe)

    @root.raw("/healthz", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def health(_visit: Visit) -> web.StreamResponse:
        """The process lives."""
        return web.json_response({"status": "ok"})

    @root.raw("/readyz", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def ready(visit: Visit) -> web.StreamResponse:
        """Store and PBX answer, and what happens is stored. `reasons`: why not; `alarms`: all that last, by id."""
        results = await readiness.results()
        watch = visit.app[HEALTH]
        alarms, reasons = watch.alarms(), watch.reasons()
        reasons += [f"{name}-does-not-answer" for name, said in results.items() if said != "ok"]
        return web.json_response(
            {"ready": not reasons, "checks": results, "reasons": reasons, "alarms": alarms},
            status=503 if reasons else 200,
        )

    @root.raw("/metrics", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def metrics(visit: Visit) -> web.StreamResponse:
        """Figures for Prometheus: from this machine itself, or with the token of the settings."""
        check_reader_of_figures(visit.request, visit.app[OPTIONS])
        return web.Response(
            body=visit.app[HEALTH].figures(),
            headers={
                hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8",
                hdrs.CACHE_CONTROL: "no-store",
            },
        )

    @api.raw("/openapi.json", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def openapi(_visit: Visit) -> web.StreamResponse:
        """This description."""
        return web.Response(body=await description.body(), content_type="application/json", charset="utf-8")

    return [root, api]


def check_reader_of_figures(request: web.Request, options: HttpOptions) -> None:
    """How many people wait and work is nobody's business outside. Forbidden `metrics-refused`.

    With a token in the settings, whoever has it. Without, this machine alone: the connection itself must come from
    loopback. A proxy on this machine comes from there, too; so whatever was forwarded, asks for another name than this
    machine's own, or comes from a trusted proxy, is refused. What a proxy says of its client counts for nothing.
    """
    if options.metrics_token:
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        sent = token.strip().encode(errors="surrogateescape")  # bytes of any kind arrive
        if scheme.lower() == "bearer" and hmac.compare_digest(sent, options.metrics_token.encode()):
            return
        raise Forbidden("metrics-refused", "Send the token of [metrics] as `Authorization: Bearer …`.")
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    address = parsed_address(str(peer[0])) if isinstance(peer, tuple) and peer else None
    forwarded = any(name in request.headers for name in _FORWARDED)
    if address is None or not address.is_loopback or forwarded or is_trusted(str(address), options):
        raise _refused()
    host = _name_in(request.host)
    asked = parsed_address(f"[{host}]" if ":" in host else host)
    if host != "localhost" and (asked is None or not asked.is_loopback):
        raise _refused()


def _name_in(host: str) -> str:
    """Without the port; of what is no address nothing."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _refused() -> Forbidden:
    return Forbidden(
        "metrics-refused", "Ask on the machine itself, past any proxy; or set a token in [metrics] of the settings."
    )


class _Readiness:
    """The checks' results: of all who ask at the same time one goes and looks."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._results: dict[str, Literal["ok", "failed"]] = {}
        self._holds_until = float("-inf")
        self._looking = asyncio.Lock()

    async def results(self) -> dict[str, Literal["ok", "failed"]]:
        async with self._looking:
            if time.monotonic() >= self._holds_until:
                found = await asyncio.gather(*(_run(name, check) for name, check in self._checks.items()))
                self._results = dict(zip(self._checks, found, strict=True))
                self._holds_until = time.monotonic() + READINESS_HOLDS_SECONDS
            return self._results


class _Description:
    """Made once, for the first who asks."""

    def __init__(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._describe = describe
        self._body = b""
        self._making = asyncio.Lock()

    async def body(self) -> bytes:
        async with self._making:
            if not self._body:
                self._body = json.dumps(await asyncio.to_thread(self._describe)).encode()
            return self._body


async def _run(name: str, check: Check) -> Literal["ok", "failed"]:
    try:
        await asyncio.wait_for(check(), _CHECK_SECONDS)
    except Exception as error:
        _log.warning("a part does not answer", action="not-ready", part=name, error=type(error).__name__)
        return "failed"
    return "ok"
