"""Measurements → conditions. Pure: the same look, the same answer, but for what is held so that nothing flaps.

A level that was passed is left only when it is well behind: a disk needs a tenth more than the threshold, a backlog
goes down to a quarter. How long a condition has to last is in the definitions (model.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from service.health.model import (
    AlarmId,
    Cause,
    Condition,
    DiskMeasured,
    Key,
    Measured,
    PbxMeasured,
    StoreMeasured,
    Thresholds,
)
from service.world import LinkState

#: a connection that never came about is an alarm after so long
STARTING_SECONDS: Final = 5.0
#: the store is written to every two seconds (service/store/key_watch.py); without success for so long it stores not
UNWRITTEN_SECONDS: Final = 7.0
#: facts that the store refuses are tried again within five seconds; for so long it is no hiccup
REFUSED_SECONDS: Final = 4.0
#: facts that wait so long are a backlog, however few
OLDEST_SECONDS: Final = 15.0
#: the heartbeat goes every two seconds, and the dialplan takes over after ten
HEARTBEAT_SECONDS: Final = 6.0
#: share of the descriptors in use; the last ones go within a second when pages come back all at once
DESCRIPTORS: Final = 0.9
_DESCRIPTORS_HELD: Final = 0.8
_MORE_ROOM: Final = 1.1
_LESS_BACKLOG: Final = 0.25
_LESS_OFFSET: Final = 0.75

Found = tuple[Key, Condition]


def conditions(measured: Measured, thresholds: Thresholds, held: Collection[Key]) -> Mapping[Key, Condition]:
    """What is so now. `held`: alarms that last, whose levels are left later than they were reached."""
    found: dict[Key, Condition] = {}
    for pbx in measured.pbxs:
        found.update(_of_pbx(pbx, measured.now, thresholds, held))
    for disk in _once_each(measured.disks):
        found.update(_of_disk(disk, thresholds, held))
    found.update(_of_store(measured.store, measured))
    descriptors = Key(AlarmId.DESCRIPTORS_SHORT)
    if measured.descriptors > (_DESCRIPTORS_HELD if descriptors in held else DESCRIPTORS):
        found[descriptors] = Condition()
    return found


def _of_pbx(pbx: PbxMeasured, now: float, thresholds: Thresholds, held: Collection[Key]) -> Iterator[Found]:
    never_came = pbx.link is LinkState.STARTING and now - pbx.since > STARTING_SECONDS
    if pbx.link is LinkState.LOST or never_came:
        yield Key(AlarmId.PBX_LOST, pbx.pbx), Condition(pbx.since)
    if pbx.link is LinkState.REFUSED:
        yield Key(AlarmId.PBX_REFUSED, pbx.pbx), Condition(pbx.since)
    if pbx.journal_unreadable:
        yield Key(AlarmId.JOURNAL_UNREADABLE, pbx.pbx), Condition()
    backlog = Key(AlarmId.BACKLOG_GROWING, pbx.pbx)
    part = _LESS_BACKLOG if backlog in held else 1.0
    too_old = pbx.waits is not None and pbx.waits > OLDEST_SECONDS * part
    many = pbx.behind > thresholds.backlog_batches * part or pbx.events_waiting > thresholds.backlog_events * part
    if many or too_old:
        yield backlog, Condition(None if pbx.waits is None else now - pbx.waits)
    if pbx.link is not LinkState.UP:
        return  # of the rest nothing is known
    if pbx.heartbeat_age is not None and pbx.heartbeat_age > HEARTBEAT_SECONDS:
        yield Key(AlarmId.HEARTBEAT_NOT_SENT, pbx.pbx), Condition(now - pbx.heartbeat_age)
    for interface in pbx.storming:
        yield Key(AlarmId.MEMBER_STORM, interface), Condition()
    offset = Key(AlarmId.CLOCK_OFFSET, pbx.pbx)
    if abs(pbx.clock_offset) > thresholds.clock_offset_seconds * (_LESS_OFFSET if offset in held else 1.0):
        yield offset, Condition()
    tasks = Key(AlarmId.TASKS_BEHIND, pbx.pbx)
    most = thresholds.tasks_waiting * (_LESS_BACKLOG if tasks in held else 1.0)
    if pbx.tasks_waiting is not None and pbx.tasks_waiting > most:
        yield tasks, Condition()


def _once_each(disks: Collection[DiskMeasured]) -> Iterator[DiskMeasured]:
    """Directories on one disk are one disk, named as the first of them."""
    seen: set[int] = set()
    for disk in disks:
        if not disk.answers or disk.device not in seen:
            yield disk
        if disk.answers:
            seen.add(disk.device)


def _of_disk(disk: DiskMeasured, thresholds: Thresholds, held: Collection[Key]) -> Iterator[Found]:
    if not disk.answers:
        yield Key(AlarmId.DISK_UNREADABLE, disk.name), Condition()
        return
    full, low = Key(AlarmId.DISK_FULL, disk.name), Key(AlarmId.DISK_LOW, disk.name)
    why = _short_of(disk, thresholds.disk_full_bytes, thresholds.disk_full_files, full in held)
    if why is not None or disk.read_only:
        yield full, Condition(cause=why or Cause.BYTES)
        return
    why = _short_of(disk, thresholds.disk_low_bytes, thresholds.disk_low_files, low in held)
    if why is not None:
        yield low, Condition(cause=why)


def _short_of(disk: DiskMeasured, least_bytes: int, least_files: int, is_held: bool) -> Cause | None:
    more = _MORE_ROOM if is_held else 1.0
    if disk.free_bytes is not None and disk.free_bytes < least_bytes * more:
        return Cause.BYTES
    if disk.free_files is not None and disk.free_files < least_files * more:
        return Cause.FILES
    return None


def _of_store(store: StoreMeasured, measured: Measured) -> Iterator[Found]:
    for key in store.keys_missing:
        yield Key(AlarmId.KEYS_MISSING, key), Condition()
    refused = [pbx.storing_fails for pbx in measured.pbxs if pbx.storing_fails is not None]
    troubles = [pbx.trouble for pbx in measured.pbxs if pbx.storing_fails is not None]
    ages = [age for age in refused if age > REFUSED_SECONDS]
    if store.written_age > UNWRITTEN_SECONDS:
        ages.append(store.written_age)
    if not ages and not store.file_gone:
        if store.notes_fail:
            yield Key(AlarmId.NOTES_NOT_SAVING), Condition()
        return
    why = next((one for one in (store.trouble, *troubles) if one is not None), Cause.UNKNOWN)
    since = measured.now - max(ages) if ages else None
    yield Key(AlarmId.DATABASE_NOT_STORING), Condition(since, Cause.GONE if store.file_gone else why)
    yield Key(AlarmId.NOTES_NOT_SAVING), Condition(since)
