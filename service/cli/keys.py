"""`ecoute keys`: which master key seals, a new one, and putting old ones away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from service.cli.people import opened
from service.settings import Settings
from service.store import rotation
from service.store.rotation import Status

Progress = Callable[[str], None]


def status(settings: Settings) -> Status:
    """Which key seals, which processes have it, and what is still sealed with others."""

    async def run() -> Status:
        async with opened(settings) as (store, keyring, _):
            return await rotation.status(store, keyring)

    return asyncio.run(run())


def rotate(settings: Settings, progress: Progress) -> Status:
    """A new master key, and everything sealed anew with it, while the service runs."""

    async def run() -> Status:
        async with opened(settings) as (store, keyring, data_dir):
            return await rotation.rotate(store, keyring, data_dir, tell=progress)

    return asyncio.run(run())


def retire(settings: Settings) -> list[Path]:
    """Old keys are put away, if nothing is left under them."""

    async def run() -> list[Path]:
        async with opened(settings) as (store, _, data_dir):
            return await rotation.retire(store, data_dir)

    return asyncio.run(run())


def as_json(found: Status) -> str:
    """One object."""
    return json.dumps(asdict(found) | {"values": dict(found.values), "elsewhere": found.elsewhere}, indent=2)


def sentences(found: Status) -> list[str]:
    """For a person to read."""
    lines = [f"Master key {found.seals} seals; files here: {', '.join(found.files)}."]
    if found.coming is not None:
        lines.append(f"Master key {found.coming} is made and seals nothing yet: `ecoute keys rotate` goes on.")
    lines += [
        f"{count} sealed value{'s' * (count != 1)} in the database (numbers, notes, keys and the like): with {name}."
        for name, count in sorted(found.values.items())
    ]
    lines += [
        f"A service on {one.machine} has {', '.join(one.knows)} and seals with {one.seals_with} "
        f"(seen {one.seen_seconds:.0f} s ago)."
        for one in found.holders
    ]
    if found.coming is None and not found.elsewhere and len(found.files) > 1:
        lines.append("Nothing is left under other keys: `ecoute keys retire` puts their files away.")
    return lines
