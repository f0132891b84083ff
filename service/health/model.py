"""The closed list of alarms: what each means, what to do next, how grave it is. Pure.

docs/alarms.md says the same for people; the pages have their own sentences for each id (src/i18n).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.world import LinkState


class AlarmId(StrEnum):
    """Stable: scripts and dashboards know them."""

    PBX_LOST = "pbx-lost"
    PBX_REFUSED = "pbx-refused"
    DATABASE_NOT_STORING = "database-not-storing"
    NOTES_NOT_SAVING = "notes-not-saving"
    DISK_FULL = "disk-full"
    DISK_LOW = "disk-low"
    DISK_UNREADABLE = "disk-unreadable"
    JOURNAL_UNREADABLE = "journal-unreadable"
    BACKLOG_GROWING = "backlog-growing"
    HEARTBEAT_NOT_SENT = "heartbeat-not-sent"
    KEYS_MISSING = "keys-missing"
    CLOCK_OFFSET = "clock-offset"
    TASKS_BEHIND = "task-processors-behind"
    MEMBER_STORM = "member-storm"
    DESCRIPTORS_SHORT = "descriptors-short"


class Severity(StrEnum):
    """How grave."""

    CRITICAL = "critical"  # callers, or what people write, are in danger now
    WARNING = "warning"  # they will be, if nobody does anything


class Cause(StrEnum):
    """Why, where an alarm may have several causes: the next step differs."""

    LOCKED = "locked"  # somebody else holds the database
    FULL = "full"  # no room where it lies
    GONE = "gone"  # it does not answer, or its file is not there any more
    KEYS = "keys"  # a master key is missing
    BYTES = "bytes"  # room on a disk
    FILES = "files"  # a disk that can hold no more files
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Definition:
    """`means`, `mend`: for administrators, in docs/alarms.md. `subject`: what the alarm's subject names.

    `raise_after`: seconds for which the condition holds before it is an alarm; `clear_after`: for which it is over
    before the alarm ends. Both are added to the time that a measurement takes: an alarm is there within 10 s.
    `unready`: while it lasts, /readyz answers 503. `to_writers`: shown on the page of everybody who writes.
    """

    severity: Severity
    subject: str
    means: str
    mend: str
    raise_after: float = 0.0
    clear_after: float = 0.0
    unready: bool = False
    to_writers: bool = False


DEFINITIONS: Final[Mapping[AlarmId, Definition]] = {
    AlarmId.PBX_LOST: Definition(
        Severity.CRITICAL,
        "the PBX's id",
        "The service hears nothing of this PBX. Conversations go on, and callers are queued and answered as long as "
        "Asterisk runs; the board shows what was last known.",
        "See whether Asterisk runs (`ecoute up` starts it again by itself); then whether the service reaches its "
        "manager port.",
        clear_after=1.0,
        unready=True,  # where no other PBX is reached
    ),
    AlarmId.PBX_REFUSED: Definition(
        Severity.CRITICAL,
        "the PBX's id",
        "This PBX refuses the service's account. It is tried again every minute.",
        "Put the right `secrets.json` back into the PBX's directory: it is read again before each try. "
        "Or stop the PBX and start it again the way it is started here (`ecoute down`, then `ecoute up`; with systemd "
        "or in containers: docs/systemd.md): its calls end first, and it starts with the secrets of that file.",
        unready=True,
    ),
    AlarmId.DATABASE_NOT_STORING: Definition(
        Severity.CRITICAL,
        "the store",
        "Nothing can be stored. Calls flow; what happens in them waits in memory and in the PBX's journal and is "
        "stored afterwards, and what people write waits in their browsers.",
        "locked: find who holds the database (a backup, a shell) and let it end. full: make room. gone: start the "
        "database, or put its file back and start the service anew.",
        clear_after=1.0,
        unready=True,
    ),
    AlarmId.NOTES_NOT_SAVING: Definition(
        Severity.CRITICAL,
        "the store",
        "What listeners write is not saved. It waits in their browsers, encrypted, and is saved when this is over.",
        "Mend the store (see database-not-storing). Nobody should close their page or browser meanwhile.",
        clear_after=1.0,
        to_writers=True,
    ),
    AlarmId.DISK_FULL: Definition(
        Severity.CRITICAL,
        "what lies there: data, database, or the PBX's logs",
        "The disk is full, or so nearly that writing may fail at any moment.",
        "Make room now: old backups, logs, other programs' files. Never delete the database, the PBX's journal or the "
        "secrets.",
    ),
    AlarmId.DISK_LOW: Definition(
        Severity.WARNING,
        "what lies there: data, database, or the PBX's logs",
        "The disk fills up.",
        "Make room, or move the data directory to a larger disk, before it is full.",
    ),
    AlarmId.DISK_UNREADABLE: Definition(
        Severity.CRITICAL,
        "what lies there: data, database, or the PBX's logs",
        "The directory is not there, or its disk does not answer.",
        "See whether the disk is mounted and in order.",
        raise_after=1.0,
    ),
    AlarmId.JOURNAL_UNREADABLE: Definition(
        Severity.WARNING,
        "the PBX's id",
        "The PBX's journal cannot be read: calls that were missed are not learnt of until it can.",
        "See the rights on it, and its disk. It is tried again by itself.",
    ),
    AlarmId.BACKLOG_GROWING: Definition(
        Severity.WARNING,
        "the PBX's id",
        "The service does not keep up: events or facts wait to be taken in or stored. Nothing is lost; the records, "
        "and perhaps the board, lag behind.",
        "See what else keeps the machine or its disk busy.",
        raise_after=2.0,
        clear_after=2.0,
    ),
    AlarmId.HEARTBEAT_NOT_SENT: Definition(
        Severity.WARNING,
        "the PBX's id",
        "The service does not tell this PBX that it decides. After 10 s the dialplan offers centres by itself.",
        "See the log for `heartbeat-failed` or `decide-failed`.",
        clear_after=1.0,
    ),
    AlarmId.KEYS_MISSING: Definition(
        Severity.CRITICAL,
        "the key's file",
        "This machine lacks a master key that the store speaks of, or cannot read it: what is sealed with it cannot "
        "be opened here.",
        "Copy the file from the machine or the backup that has it into the secrets directory, readable by the service "
        "alone.",
        raise_after=3.0,
    ),
    AlarmId.CLOCK_OFFSET: Definition(
        Severity.WARNING,
        "the PBX's id",
        "The clocks of this PBX and of the service differ too much: times of calls and of notes do not fit together.",
        "Let both machines take their time from the same source (systemd-timesyncd, chrony).",
        raise_after=3.0,
        clear_after=3.0,
    ),
    AlarmId.TASKS_BEHIND: Definition(
        Severity.CRITICAL,
        "the PBX's id",
        "Work waits inside Asterisk. Beyond 500 it ignores requests of phones.",
        "See what floods it (many phones that register at once, a reload); do not reload anything now.",
    ),
    AlarmId.MEMBER_STORM: Definition(
        Severity.WARNING,
        "the telephone's interface",
        "A telephone refused call after call at once. Its listener was paused, so that callers go to others.",
        "Let that listener check their telephone, then take calls again.",
    ),
    AlarmId.DESCRIPTORS_SHORT: Definition(
        Severity.CRITICAL,
        "the service",
        "The service has opened nearly all the files and connections that the machine allows it. Pages that are open "
        "go on; new ones are refused without a word, and what needs a file fails.",
        "Raise the limit of open files (LimitNOFILE of the unit, `ulimit -n`) to 65,536 and start the service anew: "
        "calls go on meanwhile.",
        unready=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Key:
    """Which alarm, about what."""

    id: AlarmId
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.id}:{self.subject}" if self.subject else str(self.id)


@dataclass(frozen=True, slots=True)
class Condition:
    """It is so now. `since`: epoch seconds, where it is known better than by when it was first seen."""

    since: float | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One that lasts. `since`: epoch seconds."""

    key: Key
    since: float
    cause: Cause | None = None

    @property
    def definition(self) -> Definition:
        return DEFINITIONS[self.key.id]


# --- what is measured ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PbxMeasured:
    """`since`: epoch seconds. Ages in seconds; None: nothing of the kind, or not known.

    `storing_fails`: since when (age) facts are refused by the store, and why (`trouble`). `waits`: of the oldest facts.
    `storming`: interfaces whose telephones refused call after call, and that rest.
    """

    pbx: str
    link: LinkState = LinkState.UP
    since: float = 0.0
    behind: int = 0
    waits: float | None = None
    storing_fails: float | None = None
    trouble: Cause | None = None
    journal_unreadable: bool = False
    events_waiting: int = 0
    heartbeat_age: float | None = None
    clock_offset: float = 0.0
    tasks_waiting: int | None = None
    storming: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskMeasured:
    """Free bytes and files, for us; None: the disk does not count them. `answers`: False, and nothing is known."""

    name: str
    device: int = 0
    free_bytes: int | None = None
    free_files: int | None = None
    answers: bool = True
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class StoreMeasured:
    """`written_age`: seconds since something was last stored, which is tried every few seconds. `trouble`: why not.

    `file_gone`: SQLite's file is not the one any more that was opened. `notes_fail`: somebody's writing was refused.
    """

    written_age: float = 0.0
    trouble: Cause | None = None
    file_gone: bool = False
    notes_fail: bool = False
    keys_missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """One look. `now`: epoch seconds."""

    now: float
    store: StoreMeasured = StoreMeasured()
    pbxs: tuple[PbxMeasured, ...] = ()
    disks: tuple[DiskMeasured, ...] = ()
    descriptors: float = 0.0  #: share in use, of those that the machine allows us


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Of the settings (`[health]`)."""

    disk_full_bytes: int
    disk_low_bytes: int
    disk_full_files: int
    disk_low_files: int
    clock_offset_seconds: float
    backlog_batches: int
    backlog_events: int
    tasks_waiting: int
