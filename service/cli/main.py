"""The `ecoute` command.

Exit codes: 0 done; 1 did not work, a sentence says what to do; 2 a setting or argument is wrong.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from pbx.errors import SetupError
from pbx.no_cap import Layer
from service.cli.recordings import RecordAmi, replay
from service.settings import Settings, SettingsError, data_dir, load

if TYPE_CHECKING:
    from service.store.rotation import Status

app = typer.Typer(
    help="Écoute: a listening line that never cuts its callers off.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
listeners = typer.Typer(help="Accounts of listeners and supervisors.", no_args_is_help=True)
centres = typer.Typer(help="Regional centres and what they cover.", no_args_is_help=True)
audit = typer.Typer(help="The trail of who looked at what.", no_args_is_help=True)
pbx = typer.Typer(help="The PBX alone, for containers and service managers.", no_args_is_help=True)
app.command()(replay)
app.add_typer(listeners, name="listeners")
app.add_typer(centres, name="centres")
keys = typer.Typer(help="The master key: which one seals, and a new one while the service runs.", no_args_is_help=True)
app.add_typer(pbx, name="pbx")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")

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
        err.print(f"{error.sentence} {error.mend}".rstrip(), soft_wrap=True, markup=False)
        sys.exit(1)


def settings_of(config: Path | None) -> Settings:
    """Of the file named, of ECOUTE_CONFIG, or of ecoute.toml in this directory."""
    return load(_file(config))


def _file(config: Path | None) -> Path | None:
    named = config or (Path(os.environ["ECOUTE_CONFIG"]) if "ECOUTE_CONFIG" in os.environ else None)
    default = Path("ecoute.toml")
    return named or (default if default.is_file() else None)


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
    record_ami: RecordAmi = None,
) -> None:
    """PBX and service together. Stopping it stops the service; the PBX and its calls go on until `ecoute down`."""
    from service.cli import keeper
    from service.cli import up as start

    try:
        settings = settings_of(config)
    except SettingsError as error:
        start.callers_first(data_dir(_file(config)), error, progress)
        raise
    settings = start.for_lan(settings) if lan else settings
    with start.own_data_directory(settings):
        keeper.keep(progress)
        start.up(settings, sample=sample, out=out, progress=progress, record_ami=record_ami)


@app.command()
def down(config: Config = None) -> None:
    """Let calls end, then stop the PBX and a service that runs. Never ends a call."""
    from service.cli import down as stop

    try:
        stop.down(settings_of(config), progress)
    except KeyboardInterrupt:
        fail("The PBX and its calls go on. Run `ecoute down` again later.")


@app.command()
def serve(config: Config = None, *, record_ami: RecordAmi = None) -> None:
    """The service alone, for a PBX that is started otherwise."""
    from service.cli import keeper
    from service.cli import up as start

    settings = settings_of(config)
    with start.own_data_directory(settings):
        keeper.keep(progress)
        start.serve(
            settings,
            lambda: out.print(f"ready: {start.url_of(settings)}", markup=False, soft_wrap=True),
            progress,
            record_ami=record_ami,
        )


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
def check(
    config: Config = None,
    layer: Annotated[
        list[Layer] | None, typer.Option(help="Only this one; may be repeated. Default: all that can run here.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prove that nothing ends a call or records one: by the files, by what runs here, and by how every call ended."""
    from service.cli import check as verify

    reports = verify.check(settings_of(config), layer or list(Layer))
    findings = verify.findings_of(reports)
    if as_json:
        sys.stdout.write(verify.as_json(reports) + "\n")
    else:
        for sentence in verify.sentences(reports):
            err.print(sentence, soft_wrap=True, markup=False)
        for report in reports:
            out.print(f"check: {verify.summary(report)}", markup=False, soft_wrap=True)
    if findings:
        fail(f"{len(findings)} findings: mend them before the line opens.")
    if not as_json:
        out.print("check: nothing found that can cut a call, lose a caller or record one", markup=False, soft_wrap=True)


@pbx.command("run")
def pbx_run(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[PBX]...", help="Ids of the settings; none: all.")] = None,
    config: Config = None,
) -> None:
    """Start the PBX, or those named of several, and stay until they end; when asked to stop, calls end first."""
    from service.cli import up as start

    try:
        settings = settings_of(config)
    except SettingsError as error:
        start.pbx_as_it_was(data_dir(_file(config)), ids or [], error, progress)
    else:
        start.pbx_alone(settings, ids or [], progress)


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

    state = asyncio.run(trail.verify(settings_of(config), anchor or []))
    if as_json:
        sys.stdout.write(trail.as_json(state) + "\n")
    else:
        for sentence in trail.sentences(state):
            out.print(sentence, markup=False, soft_wrap=True)
    if not state.whole:
        raise typer.Exit(1)


@audit.command("anchor")
def audit_anchor(config: Config = None) -> None:
    """Print where the trail ends now: to be kept elsewhere, on paper if need be, and given to `audit verify`."""
    from service.cli import trail

    found = asyncio.run(trail.anchor(settings_of(config)))
    if found is None:
        fail("The trail has no entry yet.")
    out.print(found.text, markup=False, soft_wrap=True)


@app.command()
def purge(config: Config = None) -> None:
    """Take out what is past its time: so far entries of the audit trail, after retention.audit_months."""
    from service.cli import trail

    count = asyncio.run(trail.purge(settings_of(config)))
    out.print(f"{count} entries of the audit trail were past their time", markup=False, soft_wrap=True)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet, on another disk if you can.")],
    config: Config = None,
) -> None:
    """Copy the database to FILE while the service runs. It is nothing without a backup of the secrets directory."""
    from service.cli import backup as copy

    settings = settings_of(config)
    key = copy.backup(settings, file)
    out.print(f"{file}: the database as it is now, of master key {key}", markup=False, soft_wrap=True)
    secrets = settings.store.data_dir.absolute() / "secrets"
    out.print(f"It opens with {secrets} alone: back that up as well, to another place", markup=False, soft_wrap=True)


@centres.command("list")
def centres_list(config: Config = None) -> None:
    """Centres, the departments they cover, and how a call reaches them."""
    from service.cli import people

    table = Table("id", "name", "departments", "reached by")
    for centre in asyncio.run(people.all_centres(settings_of(config))):
        table.add_row(centre.id, centre.name, ", ".join(centre.departments), centre.reached_by)
    out.print(table)


@keys.command("status")
def keys_status(config: Config = None, *, as_json: AsJson = False) -> None:
    """Which master key seals, who has it, and what older keys have sealed."""
    from service.cli import keys as master

    _show_keys(master.status(settings_of(config)), as_json=as_json)


@keys.command("rotate")
def keys_rotate(config: Config = None, *, as_json: AsJson = False) -> None:
    """Make a new master key and seal everything anew with it; the service goes on. Interrupted: run it again."""
    from service.cli import keys as master

    _show_keys(master.rotate(settings_of(config), err.print if as_json else progress), as_json=as_json)


@keys.command("retire")
def keys_retire(config: Config = None) -> None:
    """Put away the files of master keys under which nothing is left. Backups from before the rotation need them."""
    from service.cli import keys as master

    moved = master.retire(settings_of(config))
    for path in moved:
        out.print(f"{path}: keep it with the backups from before the rotation, or destroy it", soft_wrap=True)
    if not moved:
        out.print("There is no old master key here.")


def _show_keys(found: Status, *, as_json: bool) -> None:
    from service.cli import keys as master

    if as_json:
        sys.stdout.write(master.as_json(found) + "\n")
        return
    for line in master.sentences(found):
        out.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
