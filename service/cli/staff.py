"""`ecoute listeners` and `ecoute centres`: who is on the line."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer
from rich.table import Table

from service.cli.terminal import AsJson, Config, out, settings_of

listeners = typer.Typer(help="Accounts of listeners and supervisors.", no_args_is_help=True)
centres = typer.Typer(help="Regional centres and what they cover.", no_args_is_help=True)


@listeners.command("list")
def listeners_list(config: Config = None, *, as_json: AsJson = False) -> None:
    """Accounts with their roles."""
    from service.cli import people

    rows = asyncio.run(people.accounts(settings_of(config)))
    if as_json:
        sys.stdout.write(people.as_json(rows) + "\n")
        return
    table = Table("id", "sign-in", "name", "roles", "centre", "active")
    for row in rows:
        table.add_row(
            str(row.id), row.username, row.display_name, ", ".join(row.roles), row.centre, "yes" if row.active else "no"
        )
    out.print(table)


@listeners.command("add")
def listeners_add(
    username: str,
    display_name: str,
    config: Config = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="listener (default), supervisor, coordinator, analyst, dpo, administrator; repeat for several."
        ),
    ] = None,
    centre: Annotated[str, typer.Option(help="Id of the centre they belong to; empty: the national team.")] = "",
) -> None:
    """Create an account; its random password is shown once."""
    from service.cli import people

    password = asyncio.run(people.add(settings_of(config), username, display_name, role or ["listener"], centre))
    _show_password(username, password)


@listeners.command("reset-password")
def listeners_reset(username: str, config: Config = None) -> None:
    """A new random password, shown once; sessions that are open end, calls do not."""
    from service.cli import people

    _show_password(username, asyncio.run(people.reset(settings_of(config), username)))


def _show_password(username: str, password: str) -> None:
    out.print(f"{username}  {password}", markup=False, soft_wrap=True)
    out.print("This is the sign-in and its password. It is shown this once: give it to them now.", soft_wrap=True)


@listeners.command("deactivate")
def listeners_deactivate(username: str, config: Config = None) -> None:
    """Somebody leaves: they are signed out everywhere and not rung any more.

    Who is in a conversation is not cut off: its page and notes, and nothing else, stay theirs until they end their
    writing-up, or 12 hours after the call. `ecoute listeners sign-out` takes that away at once.
    """
    from service.cli import people

    left = asyncio.run(people.set_active(settings_of(config), username, active=False))
    if asyncio.run(people.keeps_contact(settings_of(config), username)):
        out.print(
            f"{username} is in a conversation: they keep it and its notes until they have written it up, nothing else; "
            f"`ecoute listeners sign-out {username}` ends that at once",
            markup=False,
            soft_wrap=True,
        )
    done = "can no longer sign in" if left else "was deactivated already: nothing was changed"
    out.print(f"{username} {done}; `ecoute listeners activate` undoes it", markup=False, soft_wrap=True)


@listeners.command("activate")
def listeners_activate(username: str, config: Config = None) -> None:
    """Somebody comes back: they sign in as before."""
    from service.cli import people

    came_back = asyncio.run(people.set_active(settings_of(config), username, active=True))
    done = "can sign in again" if came_back else "was active already: nothing was changed"
    out.print(f"{username} {done}", markup=False, soft_wrap=True)


@listeners.command("sign-out")
def listeners_sign_out(username: str, config: Config = None) -> None:
    """End every session of an account at once, as when a laptop was lost.

    The voice of a conversation that goes on goes on; its page is closed, and what is typed there is not saved any more.
    The emergency door, also for somebody who was deactivated in the middle of a conversation.
    """
    from service.cli import people

    asyncio.run(people.sign_out(settings_of(config), username))
    out.print(f"{username} is signed out everywhere", markup=False, soft_wrap=True)


@listeners.command("reset-second-step")
def listeners_reset_second_step(username: str, config: Config = None) -> None:
    """For somebody who lost their telephone and their recovery codes. Be sure that it is them."""
    from service.cli import people

    done = asyncio.run(people.reset_second_step(settings_of(config), username))
    out.print(done, markup=False, soft_wrap=True)


@centres.command("list")
def centres_list(config: Config = None) -> None:
    """Centres, the departments they cover, and how a call reaches them."""
    from service.cli import people

    table = Table("id", "name", "departments", "reached by")
    for centre in asyncio.run(people.all_centres(settings_of(config))):
        table.add_row(centre.id, centre.name, ", ".join(centre.departments), centre.reached_by)
    out.print(table)
