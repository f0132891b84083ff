"""What the PBX answered to a command, or why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MemberListed:
    """A membership as Asterisk has it. `reason`: empty where not paused."""

    penalty: int
    paused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Asterisk took the command. What it was asked for, else empty: `values` (`ReadRoutes`), `queues`, `lines`.

    Taken is not done: only the event that comes back says what happened.
    """

    message: str
    values: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, Mapping[str, MemberListed]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


class CommandFailed(Exception):
    """A command was not carried out, or nobody knows whether it was. `id` is a stable kebab-case word."""

    id = "command-failed"


class CommandRefused(CommandFailed):
    """Asterisk or our own guard said no: nothing has changed. `message` says why, without personal data."""

    def __init__(self, id: str, message: str) -> None:
        super().__init__(f"{id}: {message}")
        self.id = id
        self.message = message


class OutcomeUnknown(CommandFailed):
    """Sent, but the connection dropped or the deadline passed before the answer. It may have been carried out.

    Never sent again by itself: the events and the snapshot after the reconnection say what holds.
    """

    id = "outcome-unknown"


class ListNotWhole(OutcomeUnknown):
    """The list that was asked for came without its rest: nothing of it may be used."""

    id = "list-not-whole"


class NotConnected(CommandFailed):
    """Not sent: there is no session with the PBX."""

    id = "not-connected"
