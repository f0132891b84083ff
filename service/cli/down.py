"""`ecoute down`: calls end by themselves, then the PBX stops. There is no way to make it faster, on purpose (law 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pbx.errors import SetupError, on_disk
from pbx.layout import Layout
from service.cli import machine
from service.cli.single import stop_service, until_service_stopped

Progress = Callable[[str], None]


def down(data_dir: Path, progress: Progress) -> None:
    """Waits for calls to end, for as long as that takes; new ones are answered meanwhile. Then PBX and service stop.

    All PBXs of the data directory: also those that the settings do not name any more. Returns once all have stopped, so
    that they may be started again. Raises SetupError where somebody waits no longer for the service.
    """
    with on_disk(data_dir, "store.data_dir"):
        started = machine.started_before(data_dir)
    stop_pbxs(started, progress)
    if process := ask_service(data_dir, progress):
        try:
            until_service_stopped(data_dir)
        except KeyboardInterrupt:
            raise SetupError(
                "service-still-stopping",
                f"The PBX has stopped; the service (process {process}) was asked to, and has not ended yet.",
                f"Its own output says what it waits for; `kill -9 {process}` ends it at once.",
            ) from None
        progress("The service has stopped")


def ask_service(data_dir: Path, progress: Progress) -> int:
    """Asks it to stop, and does not wait. The number of its process; 0 where none runs."""
    process = stop_service(data_dir)
    if process:
        progress("The service was asked to stop")
    return process


def stop_pbxs(layouts: Mapping[str, Layout], progress: Progress) -> None:
    """The PBXs alone, once their calls have ended. `layouts`: by the PBX's id."""
    running = machine.found(layouts)
    if not running:
        progress("No PBX of this data directory runs")
    for name, pbx in running.items():
        pbx.stop(progress)
        progress(f"The PBX {name} has stopped")
