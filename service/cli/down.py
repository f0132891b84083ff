"""`ecoute down`: calls end by themselves, then the PBX stops. There is no way to make it faster, on purpose (law 1)."""

from __future__ import annotations

from collections.abc import Callable

from service.cli import machine
from service.cli.single import stop_service
from service.settings import Settings

Progress = Callable[[str], None]


def down(settings: Settings, progress: Progress) -> None:
    """Waits for calls to end, for as long as that takes; new ones are answered meanwhile. Then PBX and service stop."""
    stop_pbxs(settings, progress)
    if stop_service(settings.store.data_dir):
        progress("The service was asked to stop")


def stop_pbxs(settings: Settings, progress: Progress) -> None:
    """The same for the PBXs alone."""
    running = machine.running(settings)
    if not running:
        progress("No PBX of this data directory runs")
    for name, pbx in running.items():
        pbx.stop(progress)
        progress(f"The PBX {name} has stopped")
