"""`ecoute up`: everything that stands between a fresh checkout and a line that answers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from pbx import ports
from pbx.errors import SetupError
from pbx.process import RunningPbx
from service import app as service
from service import log
from service.cli import certificate, down, keeper, machine, people
from service.cli.single import only_service
from service.settings import Pbx, Settings, Trunk

Progress = Callable[[str], None]


_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGINT)
_GOES_ON = "The PBX and its calls go on; `make down` (.venv/bin/ecoute down) lets them end and stops it."


def up(settings: Settings, *, sample: bool, out: Console, progress: Progress, record_ami: Path | None = None) -> None:
    """Starts the PBXs, prepares, runs the service until it is stopped. Raises SetupError with a mend.

    The PBXs come first: callers are answered while a database is away, a key is missing or the pages' port is taken.
    """
    log.configure()
    _make_data_directory(settings)
    for pbx in settings.pbx:
        machine.start(settings, pbx, progress)
    with machine.kept_running(settings, progress), machine.carriers_known(settings, progress):
        try:
            _begin(settings, progress)
            if sample:  # shown as soon as they exist: whatever fails afterwards, nobody is locked out
                asyncio.run(people.seed_centres(settings))
                _show(asyncio.run(people.create_sample_people(settings)), out)
        except SetupError:
            progress(f"The service does not start. {_GOES_ON}")
            raise
        _say_recorded(record_ami, progress)
        uvloop.run(service.serve(settings, _ready(lambda: _welcome(settings, out)), record_ami=record_ami))
    out.print(f"The service has stopped. {_GOES_ON if machine.running(settings) else ''}", soft_wrap=True)


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
    """The pages' port is free, the store is prepared."""
    log.configure()
    ports.refuse_taken([ports.Port("tcp", settings.http.host, settings.http.port, "http.port")])
    prepare(settings, progress)


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
    started: list[RunningPbx] = [machine.start(settings, pbx, progress) for pbx in chosen]
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)  # for the threads that begin below, too
    progress(f"Running: {', '.join(pbx.id for pbx in chosen)}. Ctrl-C lets calls end, then stops")
    here = settings.model_copy(update={"pbx": chosen})
    stop = down.stop_pbxs if names else down.down  # the service may have other PBXs, and goes on with them
    with machine.carriers_known(here, progress):
        _wait_for_their_end(started, lambda: stop(here, progress), progress)


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
