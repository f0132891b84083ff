"""The `ecoute` command.

Exit codes: 0 done; 1 did not work, a sentence says what to do; 2 a setting or argument is wrong.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from pbx.errors import SetupError
from service.settings import Settings, SettingsError, load

app = typer.Typer(
    help="Écoute: a listening line that never cuts its callers off.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
listeners = typer.Typer(help="Accounts of listeners and supervisors.", no_args_is_help=True)
centres = typer.Typer(help="Regional centres and what they cover.", no_args_is_help=True)
pbx = typer.Typer(help="The PBX alone, for containers and service managers.", no_args_is_help=True)
app.add_typer(listeners, name="listeners")
app.add_typer(centres, name="centres")
app.add_typer(pbx, name="pbx")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Config = Annotated[Path | None, typer.Option(help="Settings file; default: ecoute.toml here, where there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a script to read.")]


def main() -> None:
    """Runs the command; errors that somebody can mend are one sentence, never a traceback."""
    try:
        app()
    except SettingsError as error:
        err.print(str(error), soft_wrap=True, markup=False)
        sys.exit(2)
    except SetupError as error:
        err.print(f"{error.sentence} {error.mend}", soft_wrap=True, markup=False)
        sys.exit(1)


def settings_of(config: Path | None) -> Settings:
    """Of the file named, of ECOUTE_CONFIG, or of ecoute.toml in this directory."""
    named = config or (Path(os.environ["ECOUTE_CONFIG"]) if "ECOUTE_CONFIG" in os.environ else None)
    default = Path("ecoute.toml")
    return load(named or (default if default.is_file() else None))


def progress(step: str) -> None:
    """One line for each step that takes longer than a moment."""
    out.print(f"· {step}", markup=False, soft_wrap=True)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """Ends the command with one sentence that says what to do."""
    err.print(sentence, soft_wrap=True, markup=False)
    raise typer.Exit(code)


@app.command()
def up(
    config: Config = None,
    *,
    sample: Annotated[bool, typer.Option(help="Create the sample line where there is none yet.")] = False,
    lan: Annotated[bool, typer.Option(help="Also for browsers and phones elsewhere on this network.")] = False,
) -> None:
    """PBX and service together. Stopping it stops the service; the PBX and its calls go on until `ecoute down`."""
    from service.cli import up as start

    settings = settings_of(config)
    start.up(start.for_lan(settings) if lan else settings, sample=sample, out=out, progress=progress)


@app.command()
def down(config: Config = None) -> None:
    """Let calls end, then stop the PBX and a service that runs. Never ends a call."""
    from service.cli import down as stop

    try:
        stop.down(settings_of(config), progress)
    except KeyboardInterrupt:
        fail("The PBX and its calls go on. Run `ecoute down` again later.")


@app.command()
def serve(config: Config = None) -> None:
    """The service alone, for a PBX that is started otherwise."""
    from service.cli import up as start

    settings = settings_of(config)
    start.serve(settings, lambda: out.print(f"ready: {start.url_of(settings)}", markup=False, soft_wrap=True), progress)


@app.command()
def init(config: Config = None) -> None:
    """Prepare data directory, keys and store, without starting anything."""
    from service.cli import up as start

    settings = settings_of(config)
    start.prepare(settings, progress)
    out.print(f"ready to start: {settings.store.data_dir.absolute()}", markup=False, soft_wrap=True)


@app.command()
def install() -> None:
    """Fetch Asterisk and render the prompts into the cache; needs the network the first time."""
    from service.cli import machine

    asterisk = machine.prepare(progress)
    out.print(f"Asterisk {asterisk.version}", markup=False, soft_wrap=True)


@app.command()
def demo(
    config: Config = None,
    caller: Annotated[str, typer.Option(help="Number the caller shows; fictional ranges only.")] = "+33639980042",
    seconds: Annotated[int, typer.Option(min=5, max=3600, help="The caller hangs up then, at the latest.")] = 3600,
) -> None:
    """Play a caller who speaks to the line that runs on this machine."""
    from pbx import requirements
    from service.cli import machine
    from service.cli.demo.play import DemoCall, play

    settings = settings_of(config)
    requirements.ensure({"demo"}, progress)
    first = settings.pbx[0]
    if first.id not in machine.running(settings):
        fail("The line is not up: `make run` in another terminal starts it.")
    progress(f"Calling {settings.line.number} as {caller}. In the listener's page: sign in to the queue, then answer.")
    progress("The caller speaks until you end the call, or Ctrl-C here makes them hang up.")
    call = DemoCall(
        host="127.0.0.1" if first.bind == "0.0.0.0" else first.bind,  # noqa: S104  compared with, not bound to
        sip_port=first.sip_port,
        number=settings.line.number,
        caller=caller,
        seconds=seconds,
    )
    if play(call) != 0:
        fail("The call did not go through: is the line up? `make run` in another terminal starts it.")
    progress("The call is over.")


@app.command()
def check(config: Config = None, *, as_json: AsJson = False) -> None:
    """Prove of the shipped and generated files that nothing can end a call or record it."""
    from service.cli import check as verify

    findings = verify.static(settings_of(config))
    if as_json:
        sys.stdout.write(verify.as_json(findings) + "\n")
    else:
        for finding in findings:
            err.print(
                f"{finding.file}:{finding.line}: {finding.sentence} {finding.mend} [{finding.id}]",
                soft_wrap=True,
                markup=False,
            )
    if findings:
        fail(f"{len(findings)} findings: mend them before the line opens.")
    if not as_json:
        out.print("check: nothing here can cut a call, lose a caller or record one", markup=False, soft_wrap=True)


@pbx.command("run")
def pbx_run(config: Config = None) -> None:
    """Start the PBX and stay until it ends; when asked to stop, calls end first."""
    from service.cli import up as start

    start.pbx_alone(settings_of(config), progress)


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
        table.add_row(str(row.id), row.username, row.display_name, ", ".join(row.roles), row.centre, str(row.active))
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
    out.print(f"{username}  {password}", markup=False, soft_wrap=True)


@listeners.command("reset-password")
def listeners_reset(username: str, config: Config = None) -> None:
    """A new random password, shown once; sessions that are open end, calls do not."""
    from service.cli import people

    out.print(f"{username}  {asyncio.run(people.reset(settings_of(config), username))}", markup=False, soft_wrap=True)


@centres.command("list")
def centres_list(config: Config = None) -> None:
    """Centres, the departments they cover, and how a call reaches them."""
    from service.cli import people

    table = Table("id", "name", "departments", "reached by")
    for centre in asyncio.run(people.all_centres(settings_of(config))):
        table.add_row(centre.id, centre.name, ", ".join(centre.departments), centre.reached_by)
    out.print(table)


if __name__ == "__main__":
    main()
