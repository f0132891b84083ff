"""The audit trail from the command line: is it whole, an anchor to keep elsewhere, what is past its time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from pbx.errors import SetupError
from service.audit import anchors, chain
from service.audit.chain import Anchor, ChainState
from service.cli.people import opened, transaction
from service.settings import Settings


async def verify(settings: Settings, kept_elsewhere: Sequence[str]) -> ChainState:
    """Walk the whole chain, and hold the file's anchors and those given to it."""
    given = [_parsed(text) for text in kept_elsewhere]
    async with opened(settings) as (store, keyring, data_dir):
        try:
            kept = anchors.read(anchors.file_of(data_dir), keyring)
        except anchors.AnchorsDamaged as error:
            raise SetupError(
                "anchors-damaged",
                f"Line {error.line} of {anchors.file_of(data_dir)} was not written so.",
                "Somebody changed the anchors: keep the file, and tell the data-protection officer.",
            ) from None
        return await chain.verify(store, keyring, [*kept, *given])


async def anchor(settings: Settings) -> Anchor | None:
    """Where the chain ends now."""
    async with transaction(settings) as (session, _):
        return await chain.head_anchor(session, datetime.now(UTC))


async def purge(settings: Settings) -> int:
    """Take out what is older than the setting says. How many entries."""
    now = datetime.now(UTC)
    before = chain.months_before(now, settings.retention.audit_months)
    async with transaction(settings) as (session, keyring):
        return await chain.purge(session, keyring, before=before, at=now)


def sentences(state: ChainState) -> list[str]:
    """For a person to read: what was found, then what cannot be proven."""
    said = [f"{state.entries} entries, up to number {state.last}."]
    if state.purged:
        said.append(f"Entries up to number {state.purged} were purged after their time, as the trail itself says.")
    if state.broken_at is not None:
        said.append(f"BROKEN: entry {state.broken_at} is not as it was written, is missing, or was put in.")
    if state.missing_from is not None:
        said.append(
            f"MISSING: from entry {state.missing_from} on, an anchor knows others than the database has: its end was "
            "taken away, or an older copy was put in its place (a restored backup looks like this, too; or the anchor "
            "was mistyped)."
        )
    if state.whole:
        said.append("The chain holds" + (f"; anchors vouch up to number {state.anchored}." if state.anchored else "."))
    return [*said, f"What this does not prove: {chain.NOT_PROVEN}"]


def as_json(state: ChainState) -> str:
    """An object with the same."""
    return json.dumps({**asdict(state), "whole": state.whole, "not_proven": chain.NOT_PROVEN}, indent=2)


def _parsed(text: str) -> Anchor:
    try:
        return anchors.parse(text)
    except ValueError:
        raise SetupError(
            "anchor-unfit", "That is no anchor.", "It looks like 1234:ab12… (64 letters after it)."
        ) from None
