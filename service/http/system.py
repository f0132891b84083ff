"""Whether the service lives, whether it can work, and what its API looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeAlias

import structlog
from aiohttp import web

from service.http.routing import PUBLIC, Reach, RouteTable, Visit

#: Returns when the part works, raises when it does not.
Check: TypeAlias = Callable[[], Awaitable[None]]
_CHECK_SECONDS = 3.0
_NOTHING = "tells nothing about anybody"
_log = structlog.get_logger(__name__)


def system(checks: Mapping[str, Check], description: Mapping[str, Any]) -> list[RouteTable]:
    """/healthz and /readyz for whoever supervises the process; /api/v1/openapi.json for whoever programs."""
    root = RouteTable("system", prefix="")
    api = RouteTable("system")

    @root.raw("/healthz", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def health(_visit: Visit) -> web.StreamResponse:
        """The process lives."""
        return web.json_response({"status": "ok"})

    @root.raw("/readyz", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def ready(_visit: Visit) -> web.StreamResponse:
        """Store and PBX answer."""
        names = list(checks)
        results = await asyncio.gather(*(_run(name, checks[name]) for name in names))
        good = all(result == "ok" for result in results)
        return web.json_response(
            {"ready": good, "checks": dict(zip(names, results, strict=True))}, status=200 if good else 503
        )

    @api.raw("/openapi.json", right=PUBLIC, reach=Reach.NOBODY, audits=_NOTHING)
    async def openapi(_visit: Visit) -> web.StreamResponse:
        """This description."""
        return web.json_response(description)

    return [root, api]


async def _run(name: str, check: Check) -> Literal["ok", "failed"]:
    try:
        await asyncio.wait_for(check(), _CHECK_SECONDS)
    except Exception as error:
        _log.warning("a part does not answer", action="not-ready", part=name, error=type(error).__name__)
        return "failed"
    return "ok"
