"""The audit trail from the command line: is it whole, an anchor to keep elsewhere, what is past its time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pbx.errors import SetupError
from service.audit import anchors, chain
from service.audit.chain import Anchor, ChainState
from service.cli.people import opened, transaction
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Verified:
    """`damaged`: the first line of the anchors' `file` that the service did not write; that file was not held to it."""

    state: ChainState
    file: Path
    damaged: int | None

    @property
    def whole(self) -> bool:
        return self.state.whole and self.damaged is None


async def verify(settings: Settings, kept_elsewhere: Sequence[str]) -> Verified:
    """Walk the whole chain, and hold the file's anchors and those given to it."""
    given = [_parsed(text) for text in kept_elsewhere]
    async with opened(settings) as (store, keyring, data_dir):
        file = anchors.file_of(data_dir)
        kept: list[Anchor] = []
        damaged: int | None = None
        try:
            kept = anchors.read(file, keyring)
        except anchors.AnchorsDamaged as error:
            damaged = error.line
        return Verified(await chain.verify(store, keyring, [*kept, *given]), file, damaged)


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


def sentences(found: Verified) -> list[str]:
    """For a person to read: what was found, then what cannot be proven."""
    state = found.state
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
    if found.damaged is not None:
        said.append(
            f"ANCHORS DAMAGED: line {found.damaged} of {found.file} was not written so, and that file was not held to "
            "the chain. Somebody changed it: keep it, and tell the data-protection officer."
        )
    if state.whole:
        said.append("The chain holds" + (f"; anchors vouch up to number {state.anchored}." if state.anchored else "."))
    return [*said, f"What this does not prove: {chain.NOT_PROVEN}"]


def as_json(found: Verified) -> str:
    """An object with the same."""
    more = {"whole": found.whole, "anchors_damaged": found.damaged, "not_proven": chain.NOT_PROVEN}
    return json.dumps(asdict(found.state) | more, indent=2)


def _parsed(text: str) -> Anchor:
    try:
        return anchors.parse(text)
    except ValueError:
        raise SetupError(
            "anchor-unfit", "That is no anchor.", "It looks like 1234:ab12… (64 letters after it)."
        ) from None
