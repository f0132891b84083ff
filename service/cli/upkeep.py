"""`ecoute keys`, `audit`, `purge` and `backup`: what an administrator looks after."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pbx.errors import SetupError
from service.cli.terminal import AsJson, Config, err, fail, out, progress, settings_of

if TYPE_CHECKING:
    from service.audit.model import Action
    from service.settings import Settings
    from service.store.rotation import Status

audit = typer.Typer(help="The trail of who looked at what.", no_args_is_help=True)
keys = typer.Typer(help="The master key: which one seals, and a new one while the service runs.", no_args_is_help=True)


@audit.command("verify")
def audit_verify(
    config: Config = None,
    anchor: Annotated[
        list[str] | None, typer.Option(help="An anchor that was kept elsewhere; may be repeated.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Is the trail of who looked at what whole? Ends with 1 where it is not, and says what cannot be proven."""
    from service.cli import trail

    found = asyncio.run(trail.verify(settings_of(config), anchor or []))
    if as_json:
        sys.stdout.write(trail.as_json(found) + "\n")
    else:
        for sentence in trail.sentences(found):
            out.print(sentence, markup=False, soft_wrap=True)
    if not found.whole:
        raise typer.Exit(1)


@audit.command("anchor")
def audit_anchor(config: Config = None) -> None:
    """Print where the trail ends now: to be kept elsewhere, on paper if need be, and given to `audit verify`."""
    from service.cli import trail

    found = asyncio.run(trail.anchor(settings_of(config)))
    if found is None:
        fail("The trail has no entry yet.")
    out.print(found.text, markup=False, soft_wrap=True)


def purge(config: Config = None) -> None:
    """Take out what is past its time: so far entries of the audit trail, after retention.audit_months."""
    from service.cli import trail

    count = asyncio.run(trail.purge(settings_of(config)))
    out.print(f"{count} entries of the audit trail were past their time", markup=False, soft_wrap=True)


def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet, on another disk if you can.")],
    config: Config = None,
) -> None:
    """Copy the database to FILE while the service runs. It is nothing without a backup of the secrets directory.

    Ends with 1 also where the copy was made, but what lies in that directory does not open it.
    """
    from service.cli import backup as copy

    settings = settings_of(config)
    key = copy.backup(settings, file)
    said = f"{file}: the database as it is now, " + (f"of master key {key}" if key else "without a master key yet")
    out.print(said, markup=False, soft_wrap=True)
    secrets = settings.store.data_dir.absolute() / "secrets"
    wrong = copy.wrong_with_keys(settings, key) if key else ""
    if key and not wrong:
        said = f"It opens with {secrets} alone: back that up as well, to another place"
        out.print(said, markup=False, soft_wrap=True)
    _note_backup(settings, key)
    if wrong:
        fail(f"Put master key {key} with this copy, which opens with it alone: {secrets} does NOT open it. {wrong}")


def _note_backup(settings: Settings, key: str) -> None:
    """A copy is made also where the trail cannot be written: that is when it may be needed most."""
    from service.cli import people

    try:
        asyncio.run(people.note_backup(settings, key))
    except SetupError as error:
        err.print(f"This copy is not on the audit trail: {error}", markup=False, soft_wrap=True)


@keys.command("status")
def keys_status(config: Config = None, *, as_json: AsJson = False) -> None:
    """Which master key seals, who has it, and what older keys have sealed."""
    from service.cli import keys as master

    _show_keys(master.status(settings_of(config)), as_json=as_json)


@keys.command("rotate")
def keys_rotate(config: Config = None, *, as_json: AsJson = False) -> None:
    """Make a new master key and seal everything anew with it; the service goes on. Interrupted: run it again."""
    from service.audit.model import Action
    from service.cli import keys as master
    from service.cli import people

    settings = settings_of(config)
    _note_keys(settings, Action.MASTER_KEY_ROTATION_BEGUN, asyncio.run(people.key_in_use(settings)))
    found = master.rotate(settings, err.print if as_json else progress)
    _show_keys(found, as_json=as_json)
    _note_keys(settings, Action.MASTER_KEY_ROTATED, found.seals)


@keys.command("retire")
def keys_retire(config: Config = None) -> None:
    """Put away the files of master keys under which nothing is left. Backups of the database may still need them."""
    from service.audit.model import Action
    from service.cli import keys as master

    settings = settings_of(config)
    moved = master.retire(settings)
    for path in moved:
        out.print(
            f"{path}: keep it for the backups that need it; destroy it only with the last of them", soft_wrap=True
        )
    if not moved:
        out.print("There is no old master key here.")
        return
    _note_keys(settings, Action.MASTER_KEY_RETIRED, *(path.stem.removeprefix("master-") for path in moved))


def _note_keys(settings: Settings, action: Action, *names: str) -> None:
    from service.audit.use_cases import Act
    from service.cli import people

    asyncio.run(people.note(settings, *(Act(action=action, subject="master-key", subject_id=name) for name in names)))


def _show_keys(found: Status, *, as_json: bool) -> None:
    from service.cli import keys as master

    if as_json:
        sys.stdout.write(master.as_json(found) + "\n")
        return
    for line in master.sentences(found):
        out.print(line, markup=False, soft_wrap=True)
