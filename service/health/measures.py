"""One look at everything: what is in memory is read at once, what may hang (disks, Asterisk's console) beside it."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from pbx import console
from pbx.link import PbxLink
from service.calls.recorder import Recorder
from service.health.causes import cause_of
from service.health.model import DiskMeasured, Measured, PbxMeasured, StoreMeasured
from service.listeners.model import FAULT
from service.store.engine import Store, StoreGone
from service.store.key_watch import KeyWatch
from service.world import World

DISKS_EVERY_SECONDS: Final = 2.0
#: a look at Asterisk's task processors; a console command locks their list for an instant
TASKS_EVERY_SECONDS: Final = 4.0
#: a disk that did not answer for so long does not answer
HANGS_SECONDS: Final = 5.0
_ALWAYS_OPEN: Final = 2  # standard error
_TASKS: Final = "core show taskprocessors"

_log = structlog.get_logger(__name__)


class Beats(Protocol):
    """Of the pump. `heartbeat_at`: monotonic."""

    heartbeat_at: float | None


class Notes(Protocol):
    """Whether what people write is being saved."""

    def fail(self, instant: float) -> bool:
        """Somebody's writing was refused by the store lately, and nobody's was taken since."""


@dataclass(slots=True)
class PbxSources:
    """Where the figures of one PBX come from. `control_socket`: None where it is no PBX of this machine."""

    pbx: str
    link: PbxLink
    recorder: Recorder
    pump: Beats
    control_socket: Path | None = None
    tasks_waiting: int | None = None


@dataclass(slots=True)
class Measures:
    """`disks`: name → a directory on it. `clock`: epoch seconds."""

    store: Store
    keys: KeyWatch
    world: World
    notes: Notes
    pbxs: Sequence[PbxSources]
    disks: Mapping[str, Path]
    clock: Callable[[], float] = time.time
    _file_gone: bool = False
    _found: tuple[DiskMeasured, ...] = ()
    _asked_at: float | None = None  #: monotonic: since when the disks are being asked
    _began: float = field(default_factory=time.monotonic)

    def take(self) -> Measured:
        """As of now; of what is looked at beside it, the last look."""
        instant = time.monotonic()
        return Measured(
            now=self.clock(),
            store=StoreMeasured(
                written_age=instant - max(self.keys.written_at, self._began),
                trouble=cause_of(self.keys.refused),
                file_gone=self._file_gone,
                notes_fail=self.notes.fail(instant),
                keys_missing=self.keys.lacking,
            ),
            pbxs=tuple(self._pbx(sources, instant) for sources in self.pbxs),
            disks=self._disks(instant),
            descriptors=descriptors_in_use(),
        )

    def _pbx(self, sources: PbxSources, instant: float) -> PbxMeasured:
        line, link, recorder = self.world.lines[sources.pbx], sources.link, sources.recorder
        refused = recorder.refused
        beat = sources.pump.heartbeat_at
        return PbxMeasured(
            sources.pbx,
            line.link,
            line.since,
            behind=recorder.unstored,
            waits=None if recorder.waits_since is None else instant - recorder.waits_since,
            storing_fails=None if refused is None else instant - refused[0],
            trouble=None if refused is None else cause_of(refused[1]),
            journal_unreadable=recorder.journal_unreadable,
            events_waiting=link.events_waiting,
            heartbeat_age=None if beat is None else instant - beat,
            clock_offset=link.clock_offset,
            tasks_waiting=sources.tasks_waiting,
            storming=tuple(
                member.interface
                for member in line.state.members.values()
                if member.paused and member.pause_reason == FAULT
            ),
        )

    def _disks(self, instant: float) -> tuple[DiskMeasured, ...]:
        if self._asked_at is not None and instant - self._asked_at > HANGS_SECONDS:
            return tuple(DiskMeasured(name, answers=False) for name in self.disks)
        return self._found

    # --- beside it

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_at_disks())
            for sources in self.pbxs:
                if sources.control_socket is not None:
                    tasks.create_task(_look_at_tasks(sources, sources.control_socket))

    async def _look_at_disks(self) -> None:
        while True:
            self._asked_at = time.monotonic()
            self._found, self._file_gone = await asyncio.to_thread(self._ask_disks)
            self._asked_at = None
            await asyncio.sleep(DISKS_EVERY_SECONDS)

    def _ask_disks(self) -> tuple[tuple[DiskMeasured, ...], bool]:
        found = tuple(disk_of(name, directory) for name, directory in self.disks.items())
        try:
            self.store.check_file()
        except StoreGone:
            return found, True
        return found, False


def descriptors_in_use() -> float:
    """Share of those that we may have; 1.0 when there is none left. The lowest free number tells it, without a list."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        lowest = os.dup(_ALWAYS_OPEN)
    except OSError as error:
        return 1.0 if error.errno in (errno.EMFILE, errno.ENFILE) else 0.0
    os.close(lowest)
    return lowest / limit if limit > 0 else 0.0


def disk_of(name: str, directory: Path) -> DiskMeasured:
    """What is free for us on the disk that holds `directory`."""
    try:
        device, figures = directory.stat().st_dev, os.statvfs(directory)
    except OSError:
        return DiskMeasured(name, answers=False)
    return DiskMeasured(
        name,
        device,
        free_bytes=figures.f_bavail * figures.f_frsize,
        free_files=figures.f_favail if figures.f_files else None,  # some file systems have no limit
        read_only=bool(figures.f_flag & os.ST_RDONLY),
    )


async def _look_at_tasks(sources: PbxSources, control_socket: Path) -> None:
    while True:
        try:
            sources.tasks_waiting = longest_queue(await asyncio.to_thread(console.ask, control_socket, _TASKS))
        except console.ConsoleError:  # it is not running, or not ours to ask: no figure is no alarm
            sources.tasks_waiting = None
        await asyncio.sleep(TASKS_EVERY_SECONDS)


def longest_queue(said: str) -> int | None:
    """Of Asterisk's task processors: how many tasks wait in the longest. None: nothing was understood.

    A line is `pjsip/distributor-00000029  1234  0  5  450  500  0  0`: name, processed, in queue, most, low and high
    water; 22.10 adds two times.
    """
    found = re.finditer(r"^\S+ +\d+ +(?P<waiting>\d+)(?: +\d+){3,}$", said, re.MULTILINE | re.ASCII)
    return max((int(line["waiting"]) for line in found), default=None)
