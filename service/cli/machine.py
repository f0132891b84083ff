"""This machine's PBXs as the settings want them: installed, configured, started; and stopped once calls have ended."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path

from pbx import install, ports, process, prompts, requirements, site, tls
from pbx.carrier import CarrierNames
from pbx.console import ConsoleError
from pbx.errors import START_AGAIN, SetupError
from pbx.layout import Layout, cache_dir
from pbx.process import RunningPbx
from service.cli import certificate
from service.settings import Pbx, Settings, Trunk

Progress = Callable[[str], None]

_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 20.0
_NAMES_SECONDS = 10.0


def prepare(progress: Progress) -> install.Asterisk:
    """What every PBX of this machine shares: programs, Asterisk, rendered prompts. Seconds when it is there already."""
    requirements.ensure({"run"}, progress)
    return install.ensure_asterisk(cache_dir(os.environ), progress)


def start(settings: Settings, pbx: Pbx, progress: Progress) -> RunningPbx:
    """Writes the PBX's files and starts it; one that runs already keeps its calls and is only told of what changed.

    Nothing here needs the store, a key or a page: callers are answered whatever is wrong with those (law 4). The
    centres' queues stay as the service wrote them last; it brings them up to date when it is there.
    What the settings say of this PBX and cannot be is told, and it starts as it did last. Raises SetupError; where one
    that runs has other ports, too, since the service would look for ports in vain.
    """
    layout = Layout.of(settings.store.data_dir, pbx.id)
    running = process.find(layout)
    if running is not None:
        progress(f"The PBX {pbx.id} runs already (process {running.pid})")
        wanted = site_of(settings, pbx)
        process.refuse_other_ports(layout, ports.of(asdict(wanted)))
        _tell_what_waits(layout, wanted, progress)
        return running
    asterisk = prepare(progress)
    wanted = site_of(settings, pbx)
    try:
        site.write(wanted, layout)
    except SetupError as error:
        if not layout.site.exists():
            raise
        progress(f"{error.sentence} {error.mend} Until then the PBX {pbx.id} has the settings of its last start")
    else:
        _tell_what_lacks(wanted, progress)
    prompts.install(cache_dir(os.environ), layout, progress)
    running = process.start(asterisk, layout, progress)
    process.refuse_other_ports(layout, ports.of(asdict(wanted)))  # it may have those of its last start
    return running


def start_as_it_was(layout: Layout, progress: Progress) -> RunningPbx:
    """The one that runs; else started with the files of its last start, which are there. Raises SetupError."""
    return process.find(layout) or process.start(prepare(progress), layout, progress)


def _tell_what_lacks(wanted: site.SiteConfig, progress: Progress) -> None:
    """What browsers' phones will miss; telephones do not."""
    if wanted.tls_port and wanted.certificate and wanted.private_key:
        try:
            tls.files(wanted.certificate, wanted.private_key)
        except SetupError as error:
            progress(
                f"{error.sentence} The PBX goes on with the copy that it has. {error.mend} Then, before that copy "
                f"expires, {START_AGAIN}: its calls end first"
            )
    if wanted.external_address and not wanted.own_address and ip_address(wanted.bind).is_unspecified:
        progress(
            "This machine has no network yet, so browsers elsewhere are not told where the PBX's audio is "
            f"(external_address) and hear nothing. Once it has one, when no call runs, {START_AGAIN}"
        )


def _tell_what_waits(layout: Layout, wanted: site.SiteConfig, progress: Progress) -> None:
    """A PBX that runs keeps the settings with which it began, for the sake of its calls."""
    for name, body in site.generated(wanted).items():
        file = layout.generated / name
        if not file.exists() or not file.read_text().endswith(body):
            progress(f"Settings of the PBX have changed. For them to take effect, {START_AGAIN}: its calls end first")
            return


@contextmanager
def kept_running(settings: Settings, progress: Progress) -> Iterator[None]:
    """A PBX that dies meanwhile is started again at once; one that was stopped on purpose (`ecoute down`) is not.

    Whatever keeps it from starting is told, and it is tried again. None waits for the mend of another.
    """
    tell = _to_whoever_reads(progress)
    with ExitStack() as watched:
        for pbx in settings.pbx:
            watched.enter_context(_repeated(f"{pbx.id}-watch", _watch(settings, pbx, tell)))
        yield


def _watch(settings: Settings, pbx: Pbx, tell: Progress) -> Callable[[], float]:
    """A look at this PBX that starts it where it is dead; returns after how many seconds to look again."""
    layout = Layout.of(settings.store.data_dir, pbx.id)
    ran = process.find(layout) is not None

    def look() -> float:
        nonlocal ran
        running = process.find(layout)
        if running or process.stopped_on_purpose(layout):
            ran = running is not None
            return _LOOK_SECONDS
        if ran:  # told once; one that never came up did not die
            tell(f"The PBX {pbx.id} has died: starting it again")
        ran = False
        try:
            start(settings, pbx, tell)
        except SetupError as error:
            tell(f"The PBX {pbx.id} does not start: {error.sentence} {error.mend}")
        except Exception as error:  # a full disk, a program that is gone: no reason to leave the line dead
            tell(f"The PBX {pbx.id} did not start ({type(error).__name__}: {error}). It is tried again")
        return _LOOK_SECONDS if process.find(layout) else _RETRY_SECONDS

    return look


@contextmanager
def carriers_known(layouts: Mapping[str, Layout], progress: Progress) -> Iterator[None]:
    """A carrier's host name that a PBX could not look up when it started is looked up again meanwhile.

    `layouts`: by the PBX's id.
    """
    tell = _to_whoever_reads(progress)
    names = {name: CarrierNames(tell) for name in layouts}
    told: set[str] = set()

    def look() -> float:
        for name, pbx in found(layouts).items():
            try:
                names[name].look(pbx)
            except (FileNotFoundError, ConsoleError):  # it goes away, or does not answer now: others tell of that
                continue
            except Exception as error:  # told once; a name that comes back later is not to find nobody looking
                why = f"{type(error).__name__}: {error}"
                if why not in told:
                    tell(f"The carrier's names of the PBX {name} cannot be looked up ({why}). It is tried again")
                told.add(why)
        return _NAMES_SECONDS

    # apart from the other watch, and not waited for at the end: a DNS that is away answers slowly
    with _repeated("carrier-names", look, patience=1.0):
        yield


@contextmanager
def _repeated(name: str, step: Callable[[], float], patience: float | None = None) -> Iterator[None]:
    """`step` again and again in a thread; it returns after how many seconds. `patience`: for the last one to end."""
    over = threading.Event()

    def run() -> None:
        pause = _LOOK_SECONDS
        while not over.wait(pause):
            pause = step()

    watching = threading.Thread(target=run, name=name, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join(patience)


def _to_whoever_reads(progress: Progress) -> Progress:
    def tell(step: str) -> None:
        with suppress(OSError, ValueError):  # the terminal that would read it is gone; callers are not
            progress(step)

    return tell


def layouts(settings: Settings) -> dict[str, Layout]:
    """Where the PBXs of these settings have their files on this machine, by id."""
    return {pbx.id: Layout.of(settings.store.data_dir, pbx.id) for pbx in settings.pbx}


def started_before(data_dir: Path) -> dict[str, Layout]:
    """Where the PBXs that were started here before have theirs, by id."""
    found = [Layout.of(data_dir, folder.name) for folder in sorted((data_dir / "pbx").glob("*"))]
    return {layout.data.name: layout for layout in found if layout.site.exists()}


def found(layouts: Mapping[str, Layout]) -> dict[str, RunningPbx]:
    """Those that run, by id."""
    looked = {name: process.find(layout) for name, layout in layouts.items()}
    return {name: pbx for name, pbx in looked.items() if pbx is not None}


def running(settings: Settings) -> dict[str, RunningPbx]:
    """The PBXs of these settings that run on this machine, by id."""
    return found(layouts(settings))


def site_of(settings: Settings, pbx: Pbx, centres: tuple[str, ...] | None = None) -> site.SiteConfig:
    """What one PBX must know of the settings. `centres`: ids of those with a queue of their own on it; none given: as
    the PBX has them.
    """
    return site.SiteConfig(
        pbx=pbx.id,
        numbers=settings.line.numbers,
        trunk=_trunk(pbx.trunk),
        bind=pbx.bind,
        sip_port=pbx.sip_port,
        http_port=pbx.http_port,
        ami_port=pbx.ami_port,
        rtp_start=pbx.rtp_start,
        rtp_end=pbx.rtp_end,
        hours=tuple(settings.line.hours),
        timezone=settings.line.timezone,
        language=settings.line.language,
        centres=centres,
        overflow_after=settings.overflow.after_seconds,
        overflow_again=settings.overflow.again_after_seconds,
        grace=settings.recovery.grace_seconds,
        centre_ring=settings.overflow.centre_ring_seconds,
        press_one=settings.overflow.press_one_seconds,
        queue_round=pbx.queue_round_seconds,
        outbound_caller_id=pbx.trunk.caller_id,
        external_address=pbx.external_address,
        own_address=_own_address(pbx),
        local_networks=tuple(str(network) for network in pbx.local_networks),
        tls_port=pbx.tls_port,
        certificate=_absolute(settings.http.certificate),
        private_key=_absolute(settings.http.private_key),
    )


def _own_address(pbx: Pbx) -> str:
    """By which its network reaches the PBX; empty where there is no network."""
    bound = ip_address(pbx.bind)
    if not bound.is_unspecified:
        return "" if bound.is_loopback else str(bound)
    try:
        return str(ip_address(certificate.own_addresses()[0]))
    except ValueError:  # the machine's name: it has no address but loopback
        return ""


def _trunk(trunk: Trunk) -> site.Trunk:
    if trunk.profile == "registration":
        return site.TrunkByRegistration(
            server=trunk.server,
            username=trunk.username,
            password=trunk.password,
            addresses=tuple(trunk.addresses),
        )
    return site.TrunkByAddress(addresses=tuple(trunk.addresses), server=trunk.server)


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path is not None else None
