"""The `ecoute` command, and what runs the line: up, down, serve, pbx run and what they need.

Exit codes: 0 done; 1 did not work, a sentence says what to do; 2 a setting or argument is wrong.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pbx.errors import SetupError
from pbx.no_cap import Layer
from service.cli import staff, upkeep
from service.cli.recordings import RecordAmi, replay
from service.cli.terminal import AsJson, Config, data_dir_of, err, fail, out, progress, settings_of
from service.settings import SettingsError

app = typer.Typer(
    help="Écoute: a listening line that never cuts its callers off.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
pbx = typer.Typer(help="The PBX alone, for containers and service managers.", no_args_is_help=True)
app.command()(replay)
app.add_typer(staff.listeners, name="listeners")
app.add_typer(staff.centres, name="centres")
app.add_typer(pbx, name="pbx")
app.add_typer(upkeep.audit, name="audit")
app.add_typer(upkeep.keys, name="keys")


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

    with keeper.loading():
        from service.cli import up as start

    try:
        settings = settings_of(config)
    except SettingsError as error:
        start.callers_first(data_dir_of(config, error), error, progress)
        raise
    settings = start.for_lan(settings) if lan else settings
    with start.own_data_directory(settings):
        keeper.keep(progress)
        start.up(settings, sample=sample, out=out, progress=progress, record_ami=record_ami)


@app.command()
def down(config: Config = None) -> None:
    """Let calls end, then stop the PBX and a service that runs. Never ends a call."""
    from service.cli import down as stop
    from service.cli import machine

    try:
        data_dir = settings_of(config).store.data_dir
    except SettingsError as error:
        data_dir = data_dir_of(config, error)
        if not machine.started_before(data_dir):
            raise
        progress(f"WRONG SETTINGS: {error}. Mend them before the next start")
    try:
        stop.down(data_dir, progress)
    except KeyboardInterrupt:
        fail("The PBX and its calls go on. Run `ecoute down` again later.")


@app.command()
def serve(config: Config = None, *, record_ami: RecordAmi = None) -> None:
    """The service alone, for a PBX that is started otherwise."""
    from service.cli import keeper

    with keeper.loading():
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
        start.pbx_as_it_was(data_dir_of(config, error), ids or [], error, progress)
    else:
        start.pbx_alone(settings, ids or [], progress)


app.command()(upkeep.purge)
app.command()(upkeep.backup)


if __name__ == "__main__":
    main()
