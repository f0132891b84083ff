"""What the product and the PBX wrote down, as plain values: the side of the audit that is not believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Record:
    """A call record. `number`: the one that it found of the caller, or empty. Instants: epoch seconds."""

    call_id: str
    number: str
    ended_at: float | None
    result: str
    ended_by: str
    listener: str  #: `l12`, or empty


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact, by its call; `case_id` 0 where its case does not exist."""

    contact_id: int
    call_id: str
    case_id: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a call as the dialplan told the witness. `at`: epoch seconds, Asterisk's clock."""

    call_id: str
    n: int
    what: str
    detail: str
    at: float


@dataclass(frozen=True, slots=True)
class Notes:
    """A contact's stored notes."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """The queue tells a caller their place. Epoch seconds. It cannot be interrupted: nobody is offered meanwhile."""

    call_id: str
    began: float
    ended: float


@dataclass(slots=True)
class Books:
    """Everything that was written of a run.

    `call_ids`: caller's number → UUIDs that Asterisk gave their calls, by the witness. `connects`: call → how often
    queue_log has it connected. `notes`: contact → what is stored.
    """

    records: Sequence[Record] = ()
    contacts: Sequence[ContactRow] = ()
    steps: Sequence[Step] = ()
    announcements: Sequence[Announcement] = ()
    call_ids: Mapping[str, frozenset[str]] = field(default_factory=dict)
    connects: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[int, Notes] = field(default_factory=dict)

    def counted(self) -> str:
        """How many calls had which result, ended by whom."""
        found = Counter(f"{record.result} by {record.ended_by}" for record in self.records)
        return ", ".join(f"{count} {what}" for what, count in found.most_common())
