"""This machine's PBXs as the settings want them: installed, configured, started; and stopped once calls have ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pbx import install, process, prompts, requirements, site
from pbx.errors import SetupError
from pbx.layout import Layout, cache_dir
from pbx.process import RunningPbx
from service.settings import Pbx, Settings, Trunk

Progress = Callable[[str], None]

_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 20.0


def prepare(progress: Progress) -> install.Asterisk:
    """What every PBX of this machine shares: programs, Asterisk, rendered prompts. Seconds when it is there already."""
    requirements.ensure({"run"}, progress)
    return install.ensure_asterisk(cache_dir(os.environ), progress)


def start(settings: Settings, pbx: Pbx, centres: tuple[str, ...], progress: Progress) -> RunningPbx:
    """Writes the PBX's files and starts it; one that runs already keeps its calls and is only told of what changed."""
    layout = Layout.of(settings.store.data_dir, pbx.id)
    running = process.find(layout)
    if running is not None:
        progress(f"The PBX {pbx.id} runs already (process {running.pid})")
        _tell_what_waits(layout, site_of(settings, pbx, centres), progress)
        return running
    asterisk = prepare(progress)
    site.write(site_of(settings, pbx, centres), layout)
    prompts.install(cache_dir(os.environ), layout, progress)
    return process.start(asterisk, layout, progress)


def _tell_what_waits(layout: Layout, wanted: site.SiteConfig, progress: Progress) -> None:
    """A PBX that runs keeps the settings with which it began, for the sake of its calls."""
    for name, body in site.generated(wanted).items():
        file = layout.generated / name
        if not file.exists() or not file.read_text().endswith(body):
            progress("Settings of the PBX have changed: they take effect after `make down` and `make run`")
            return


@contextmanager
def kept_running(settings: Settings, centres: tuple[str, ...], progress: Progress) -> Iterator[None]:
    """A PBX that dies meanwhile is started again at once; one that was stopped on purpose (`ecoute down`) is not."""
    over = threading.Event()

    def watch() -> None:
        patience = _LOOK_SECONDS
        while not over.wait(patience):
            patience = _LOOK_SECONDS
            for pbx in settings.pbx:
                if not _died(Layout.of(settings.store.data_dir, pbx.id)):
                    continue
                progress(f"The PBX {pbx.id} has died: starting it again")
                try:
                    start(settings, pbx, centres, progress)
                except SetupError as error:
                    progress(f"{error.sentence} {error.mend}")
                    patience = _RETRY_SECONDS

    watching = threading.Thread(target=watch, name="pbx-watch", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _died(layout: Layout) -> bool:
    """Its pid file is taken away by whoever stops it on purpose, a moment after its end: so it is looked at twice."""
    for _ in range(2):
        if not layout.pid_file.exists() or process.find(layout) is not None:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def running(settings: Settings) -> dict[str, RunningPbx]:
    """The PBXs of these settings that run on this machine, by id."""
    found = {pbx.id: process.find(Layout.of(settings.store.data_dir, pbx.id)) for pbx in settings.pbx}
    return {name: pbx for name, pbx in found.items() if pbx is not None}


def site_of(settings: Settings, pbx: Pbx, centres: tuple[str, ...] = ()) -> site.SiteConfig:
    """What one PBX must know of the settings. `centres`: ids of those with a queue of their own on it."""
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
        local_networks=tuple(str(network) for network in pbx.local_networks),
        tls_port=pbx.tls_port,
        certificate=_absolute(settings.http.certificate),
        private_key=_absolute(settings.http.private_key),
    )


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
