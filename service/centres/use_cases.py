"""The directory of centres: the sample, and keeping the PBX's routes the same as ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from pbx import site
from pbx.commands import PutRoute, ReadRoutes, ReloadQueues
from pbx.layout import Layout
from pbx.link import PbxLink
from service.centres import queries
from service.centres.model import Centre, Coverage, RouteKind, Routes

_SAMPLE: Final = "sample_directory.json"
_log = structlog.get_logger(__name__)


def sample_directory() -> list[dict[str, Any]]:
    """Every French department in about 51 centres; names and numbers are fictional."""
    text = resources.files("service.centres").joinpath(_SAMPLE).read_text(encoding="utf-8")
    directory: list[dict[str, Any]] = json.loads(text)
    return directory


async def seed_sample(session: AsyncSession) -> int:
    """Put the sample directory in place where there is no centre yet; how many were made."""
    if await queries.count(session):
        return 0
    directory = sample_directory()
    for entry in directory:
        session.add(
            Centre(
                id=entry["id"],
                name=entry["name"],
                route=RouteKind(entry["route"]),
                telephone=entry["telephone"],
                coverage=[Coverage(department=department) for department in entry["departments"]],
            )
        )
    await session.flush()
    return len(directory)


async def load_routes(session: AsyncSession) -> Routes:
    """The routes of the stored centres."""
    return Routes.of(await queries.centres(session))


def differences(wanted: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """What must be written so that `there` becomes `wanted`; an empty value deletes."""
    changes = {key: value for key, value in wanted.items() if there.get(key) != value}
    changes.update({key: "" for key in there if key not in wanted})
    return changes


async def synchronise_routes(link: PbxLink, layout: Layout, routes: Routes) -> int:
    """Bring the PBX's own routes up to date, so that overflow follows them without us; how many entries changed.

    Queues come before the routes that lead to them. Raises what `link.send` raises.
    """
    await _synchronise_queues(link, layout, routes)
    changed = 0
    for family, wanted in routes.entries().items():
        there = (await link.send(ReadRoutes(pbx=link.config.pbx, family=family))).values
        for key, value in differences(wanted, there).items():
            await link.send(PutRoute(pbx=link.config.pbx, family=family, key=key, value=value))
            changed += 1
    if changed:
        _log.info("routes synchronised", action="routes-synchronised", pbx=link.config.pbx, changed=changed)
    return changed


async def _synchronise_queues(link: PbxLink, layout: Layout, routes: Routes) -> None:
    path = layout.centre_queues
    before = path.read_bytes() if path.exists() else b""
    site.write_centre_queues(layout, routes.queues())
    if path.read_bytes() != before:
        await link.send(ReloadQueues(pbx=link.config.pbx))
