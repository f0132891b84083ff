"""What we ask of the PBX, in the imperative. A command changes nothing here: the event that comes back does.

Each is sent once, with a deadline, and never again by itself. The AMI words for them are in `actions.py` alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`pbx`: id of the PBX that shall do it."""

    pbx: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMember(Command):
    """A listener starts to serve a queue. Dynamic, so that it outlives a restart of the PBX with its pause."""

    queue: str
    interface: str
    name: str  #: what queue_log shows; never a person's name: the listener's id
    paused: bool = False
    pause_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember(Command):
    """A listener stops serving a queue. A conversation goes on."""

    queue: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseMember(Command):
    """In all queues of the interface. `paused=False` ends wrap-up or pause."""

    interface: str
    paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOwnReason(Command):
    """The listener of a call chose a pause of their own: the dialplan does not put wrap-up or reconnecting over it.

    `channel`: the caller's.
    """

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawCaller(Command):
    """Take a waiting caller out of a queue for overflow. "Success" means requested; the dialplan's step says what was.

    `channel`: the caller's. `info`: `centre:<id>` or `ask`.
    """

    queue: str
    channel: str
    info: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndConversation(Command):
    """A listener's own "end", when their phone could not say it: hangs up the listener's leg with cause 31."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLostLeg(Command):
    """A listener's leg whose browser is gone: hang it up (cause 44), so that the caller is spoken to at once."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Command):
    """The service is there: the dialplan leaves overflow to it. `until` is not needed: the PBX compares ages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRoute(Command):
    """Into AstDB, by the provisioning account: what the PBX must know without the service. `value` empty deletes.

    Families: `department` (`38` → centre id), `centre` (`<id>/queue` or `<id>/telephone`), `line` (`caller_key`).
    """

    family: str
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadPhones(Command):
    """After the generated accounts file was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadQueues(Command):
    """After the generated centre queues were replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadDialplan(Command):
    """After the generated hours were put back in place. Calls go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPenalty(Command):
    """Whom a queue rings first: all alike (0), so that nobody is left out by a number that somebody set."""

    queue: str
    interface: str
    penalty: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQueues(Command):
    """Every queue that is loaded, with its members. The reply's `queues`: queue → interface → `MemberListed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDialplan(Command):
    """One loaded context. The reply's `lines`: application and arguments of each priority, in order."""

    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRoutes(Command):
    """What AstDB holds of a family. The reply's `values` are its keys (without the family) and values.

    AstDB may lose a burst in a crash, so what must be written is the difference to what is there.
    """

    family: str
