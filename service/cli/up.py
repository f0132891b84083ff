"""`ecoute up`: everything that stands between a fresh checkout and a line that answers."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from pbx import ports, process
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.process import RunningPbx
from service import app as service
from service import log
from service.cli import certificate, down, keeper, machine, people
from service.cli.single import only_service
from service.settings import Http, Pbx, Settings, SettingsError, Trunk

Progress = Callable[[str], None]
T = TypeVar("T")


_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGINT)
_MAY_PASS = {"store-unreachable"}  #: errors that are over without anybody's hand on this machine
_RETRY_SECONDS = 5.0
_GOES_ON = "The PBX and its calls go on; `make down` (.venv/bin/ecoute down) lets them end and stops it."


def up(settings: Settings, *, sample: bool, out: Console, progress: Progress, record_ami: Path | None = None) -> None:
    """Starts the PBXs, prepares, runs the service until it is stopped. Raises SetupError with a mend.

    The PBXs come first: callers are answered while a database is away, a key is missing or the pages' port is taken.
    """
    log.configure()
    _make_data_directory(settings)
    _start_pbxs(settings, progress)
    with machine.kept_running(settings, progress), machine.carriers_known(machine.layouts(settings), progress):
        try:
            _begin_once_the_store_answers(settings, progress)
            if sample:  # shown as soon as they exist: whatever fails afterwards, nobody is locked out
                asyncio.run(people.seed_centres(settings))
                _show(asyncio.run(people.create_sample_people(settings)), out)
        except SetupError:
            progress(f"The service does not start. {_GOES_ON}")
            raise
        _say_recorded(record_ami, progress)
        uvloop.run(service.serve(settings, _ready(lambda: _welcome(settings, out)), record_ami=record_ami))
    out.print(f"The service has stopped. {_GOES_ON if machine.running(settings) else ''}", soft_wrap=True)


def _start_pbxs(settings: Settings, progress: Progress) -> None:
    """All are tried; `kept_running` goes on trying. Raises SetupError where none runs, or one on other ports."""
    _leave_what_left(settings)
    failed: list[SetupError] = []
    for pbx in settings.pbx:
        try:
            machine.start(settings, pbx, progress)
        except SetupError as error:
            failed.append(error)
            runs = pbx.id in machine.running(settings)
            told = "goes on as it was started" if runs else "does not start"
            progress(f"The PBX {pbx.id} {told}: {error.sentence} {error.mend}")
            if not runs:
                machine.layouts(settings)[pbx.id].stopped.unlink(missing_ok=True)  # somebody wants it to run
    if failed and not machine.running(settings):
        raise failed[0]
    if elsewhere := [error for error in failed if error.id == "pbx-runs-on-other-ports"]:
        progress(f"The service does not start. {_GOES_ON}")
        raise elsewhere[0]  # it would look for it in vain


def _leave_what_left(settings: Settings) -> None:
    """A PBX that left the settings stays stopped, also where they are wrong one day and each runs as it did last.

    It would hold another's ports, or register its trunk without anybody who listens.
    """
    named = machine.layouts(settings)
    with suppress(OSError):  # a folder that is not ours to mark is not ours to start, either
        for name, layout in machine.started_before(settings.store.data_dir).items():
            if name not in named and process.find(layout) is None:
                layout.stopped.touch()


def _begin_once_the_store_answers(settings: Settings, progress: Progress) -> None:
    """Meanwhile the PBXs are kept running. Raises SetupError of what does not get better by waiting."""
    tell, told = progress, ""
    while True:
        try:
            return _begin(settings, tell)
        except SetupError as error:
            if error.id not in _MAY_PASS:
                raise
            if error.sentence != told:
                progress(f"{error.sentence} {error.mend} It is tried again every {_RETRY_SECONDS:g} s. {_GOES_ON}")
            told = error.sentence
        tell = _said_before
        time.sleep(_RETRY_SECONDS)


def _said_before(_: str) -> None:
    """The steps of a try that is not the first."""


def serve(settings: Settings, ready: Callable[[], None], progress: Progress, *, record_ami: Path | None = None) -> None:
    """The service until SIGINT or SIGTERM; `ready` is called once pages and PBX answer."""
    _begin(settings, progress)
    _say_recorded(record_ami, progress)
    uvloop.run(service.serve(settings, _ready(ready), record_ami=record_ami))


def _ready(say: Callable[[], None]) -> Callable[[], None]:
    """The person who started it is told, and the keeper."""

    def tell() -> None:
        keeper.ready()
        say()

    return tell


def _say_recorded(file: Path | None, progress: Progress) -> None:
    if file is not None:
        progress(f"Recording the PBX's events to {file}: delete it when the fault is found")


@contextmanager
def own_data_directory(settings: Settings) -> Iterator[None]:
    """It is there, and ours alone. Raises SetupError where another service has it."""
    _make_data_directory(settings)
    with only_service(settings.store.data_dir):
        yield


def _begin(settings: Settings, progress: Progress) -> None:
    """The pages' certificate and port can be had, the store is prepared."""
    log.configure()
    _refuse_unusable_certificate(settings.http)
    ports.refuse_taken([ports.Port("tcp", settings.http.host, settings.http.port, "http.port")])
    prepare(settings, progress)


def _refuse_unusable_certificate(http: Http) -> None:
    if http.certificate is None:
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(http.certificate, http.private_key, password=lambda: "")  # else the terminal is asked
    except OSError as error:  # of TLS, too: ssl.SSLError is one
        raise SetupError(
            "certificate-unusable",
            f"The pages' certificate {http.certificate} with {http.private_key} cannot be used: "
            f"{error.strerror or error}.",
            "Set http.certificate and http.private_key in ecoute.toml to two files (PEM) that belong together, the key "
            "without a password (`openssl pkey -in KEY -out NEW` takes it off).",
        ) from error


def prepare(settings: Settings, progress: Progress) -> None:
    """Data directory, keys and store, as this version wants them."""
    _make_data_directory(settings)
    progress("Preparing the store")
    asyncio.run(people.prepare_store(settings))


def _make_data_directory(settings: Settings) -> None:
    data = settings.store.data_dir.absolute()
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise SetupError(
            "data-directory-unusable",
            f"{data} cannot be used: {error.strerror}.",
            "Set store.data_dir to another place.",
        ) from error


def pbx_alone(settings: Settings, names: Sequence[str], progress: Progress) -> None:
    """Starts this machine's PBXs, or those named, and stays until they end. SIGTERM and SIGINT let calls end first.

    The store is the service's alone: a PBX neither reads nor makes one.
    """
    chosen = _chosen(settings, names)
    _make_data_directory(settings)
    if not names:
        _leave_what_left(settings)
    started = _each(chosen, lambda pbx: _started_or_running(settings, pbx, progress))
    service_too = None if names else settings.store.data_dir  # it may have other PBXs, and goes on with them
    _stay({pbx.layout.data.name: pbx.layout for pbx in started}, started, service_too, progress)


def pbx_as_it_was(data_dir: Path, names: Sequence[str], wrong: SettingsError, progress: Progress) -> None:
    """`pbx_alone` where the settings are wrong: with the files of the last start, since callers wait (law 4).

    Raises `wrong` where one of them was never started here, or nobody named one and all were stopped on purpose.
    """
    before = machine.started_before(data_dir)
    if not before.keys() >= set(names):
        raise wrong
    chosen = {name: before[name] for name in names} or _not_stopped(before, progress)
    if not chosen:
        raise wrong
    started = _start_as_they_were(chosen, wrong, progress)
    _stay(chosen, started, None if names else data_dir, progress)


def callers_first(data_dir: Path, wrong: SettingsError, progress: Progress) -> None:
    """`up` where the settings are wrong: PBXs that nobody stopped on purpose run as before. The service does not."""
    wanted = _not_stopped(machine.started_before(data_dir), progress)
    if wanted:
        _start_as_they_were(wanted, wrong, progress)
        progress(f"The service does not start. {_GOES_ON}")


def _not_stopped(before: Mapping[str, Layout], progress: Progress) -> dict[str, Layout]:
    """Without those that were stopped on purpose, or left the settings: they have to be named."""
    stopped = {name for name, layout in before.items() if process.stopped_on_purpose(layout)}
    for name in sorted(stopped):
        progress(f"The PBX {name} stays stopped: with wrong settings, only `ecoute pbx run {name}` starts it")
    return {name: layout for name, layout in before.items() if name not in stopped}


def _start_as_they_were(layouts: Mapping[str, Layout], wrong: SettingsError, progress: Progress) -> list[RunningPbx]:
    progress(f"WRONG SETTINGS: {wrong}. Mend them. The PBX answers callers with the settings of its last start")
    return _each(layouts.values(), lambda layout: machine.start_as_it_was(layout, progress))


def _each(those: Iterable[T], start: Callable[[T], RunningPbx]) -> list[RunningPbx]:
    """All are tried, so that none waits for another's mend; then the first SetupError is raised."""
    started: list[RunningPbx] = []
    failed: SetupError | None = None
    for one in those:
        try:
            started.append(start(one))
        except SetupError as error:
            failed = failed or error
    if failed:
        raise failed
    return started


def _started_or_running(settings: Settings, pbx: Pbx, progress: Progress) -> RunningPbx:
    """One that runs is looked after whatever the settings say by now: asked to stop, its calls are to end first."""
    try:
        return machine.start(settings, pbx, progress)
    except SetupError as error:
        running = machine.running(settings).get(pbx.id)
        if running is None:
            raise
        progress(f"{error.sentence} {error.mend} Until then it goes on as it was started")
        return running


def _stay(
    layouts: Mapping[str, Layout], started: Sequence[RunningPbx], service_too: Path | None, progress: Progress
) -> None:
    """Until these PBXs end. `service_too`: data directory of the service that is asked to stop after them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)  # for the threads that begin below, too
    progress(f"Running: {', '.join(layouts)}. Ctrl-C lets calls end, then stops")

    def stop() -> None:
        down.stop_pbxs(layouts, progress)
        if service_too is not None:
            down.ask_service(service_too, progress)

    with machine.carriers_known(layouts, progress):
        _wait_for_their_end(started, stop, progress)


def _wait_for_their_end(started: Sequence[RunningPbx], stop: Callable[[], None], progress: Progress) -> None:
    """Asked to stop, it stops them; where that fails it is tried again: this process's end may be that of all calls."""
    asked, told = False, ""
    while any(pbx.alive() for pbx in started):
        asked = signal.sigtimedwait(_ASKED_TO_STOP, 1) is not None or asked
        if not asked:
            continue
        try:
            stop()
        except SetupError as error:
            if error.sentence != told:
                progress(f"{error.sentence} {error.mend} Until then it is asked again.")
            told = error.sentence


def _chosen(settings: Settings, names: Sequence[str]) -> list[Pbx]:
    known = {pbx.id: pbx for pbx in settings.pbx}
    for name in names:
        if name not in known:
            raise SetupError(
                "pbx-unknown", f"There is no PBX {name} in the settings.", f"Name one of: {', '.join(known)}."
            )
    return [known[name] for name in names] or list(settings.pbx)


def for_lan(settings: Settings) -> Settings:
    """The same settings with pages and phones on all addresses of this machine, under a certificate of its own."""
    made = certificate.for_this_machine(settings.store.data_dir.absolute() / "tls")
    address = made.addresses[0]
    http = settings.http.model_copy(
        update={
            "host": "0.0.0.0",  # noqa: S104  asked for by --lan
            "certificate": made.certificate,
            "private_key": made.private_key,
            "public_url": settings.http.public_url or f"https://{address}:{settings.http.port}",
            "other_urls": [f"https://{name}:{settings.http.port}" for name in made.addresses],
        }
    )
    pbxs = [
        pbx.model_copy(
            update={
                "bind": "0.0.0.0",  # noqa: S104  asked for by --lan
                "tls_port": pbx.tls_port or pbx.http_port + 1,
                "websocket_url": pbx.websocket_url or f"wss://{address}:{pbx.tls_port or pbx.http_port + 1}/ws",
                "trunk": _with_neighbours(pbx.trunk, address),
            }
        )
        for pbx in settings.pbx
    ]
    return settings.model_copy(update={"http": http, "pbx": pbxs})


def _with_neighbours(trunk: Trunk, address: str) -> Trunk:
    """The sample's carrier is this machine; with --lan any SIP phone of the same network may ring the line as well."""
    if trunk.profile != "address" or trunk.addresses != ["127.0.0.1"]:
        return trunk
    try:
        network = IPv4Network(f"{address}/24", strict=False)
    except ValueError:  # no network but this machine
        return trunk
    return trunk.model_copy(update={"addresses": ["127.0.0.1", str(network)]})


def url_of(settings: Settings) -> str:
    """The pages' address as a person types it."""
    return settings.http.public_url or f"http://localhost:{settings.http.port}"


def _show(sign_ins: list[people.SignIn], out: Console) -> None:
    if not sign_ins:
        out.print(
            "The sign-ins were shown when they were made. New password: .venv/bin/ecoute listeners reset-password NAME",
            soft_wrap=True,
        )
        return
    table = Table(title="Sign-ins, shown this once", title_justify="left")
    for column in ("sign-in", "password", "role"):
        table.add_column(column)
    for sign_in in sign_ins:
        table.add_row(sign_in.username, sign_in.password, sign_in.role)
    out.print(table)


def _welcome(settings: Settings, out: Console) -> None:
    first = settings.pbx[0]
    host = urlsplit(url_of(settings)).hostname if first.bind == "0.0.0.0" else first.bind  # noqa: S104  compared with
    out.print(
        f"Pages:      {url_of(settings)}\n"
        f"Call it:    make demo in another terminal, or any SIP phone that reaches this machine: "
        f"sip:{settings.line.number}@{host}:{first.sip_port}\n"
        f"Stop:       Ctrl-C stops the service, calls go on; make down lets calls end and stops the PBX.\n"
        f"ready: {url_of(settings)}",
        markup=False,
        soft_wrap=True,
    )
