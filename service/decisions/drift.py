"""What a PBX has, held against what it should have: the differences, each with its mend. Pure.

Who is right differs by kind. Routes, hours, queues and the caller's key are ours: the PBX got them from us. Who wants
to be rung is the listener's own word (queues/wishes.py), and neither the PBX's nor ours: someone whom the PBX forgot
comes back, someone who left stays away, and someone of whom nothing was said is taken at the PBX's word. A pause is
made by the PBX itself (the dialplan, a telephone), so the PBX is right about it; but it holds in all queues or in none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pbx.commands import (
    AddMember,
    Command,
    PauseMember,
    PutRoute,
    ReloadDialplan,
    ReloadQueues,
    RemoveMember,
    SetPenalty,
)
from pbx.replies import MemberListed
from service.listeners.model import WRAP_UP, account_of, endpoint_of, interface_of

#: queue → interface → membership
Members = Mapping[str, Mapping[str, MemberListed]]


class DriftKind(StrEnum):
    """What differs."""

    ROUTE = "route"
    CALLER_KEY = "caller-key"
    QUEUE = "queue"
    HOURS = "hours"
    SIGN_IN = "sign-in"  # a listener who wants to be rung is in no queue, or one who left is in one
    PAUSE = "pause"  # in one queue and not in another
    PENALTY = "penalty"


@dataclass(frozen=True, slots=True, repr=False)
class Drift:
    """`subject`: an id (department, centre, queue, interface), never anything personal. `mend`: to be sent in order.

    Never printed: a mend may hold a key.
    """

    kind: DriftKind
    subject: str
    mend: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Of a listener."""

    paused: bool = False
    reason: str = ""


def values(
    pbx: str, kind: DriftKind, family: str, wanted: Mapping[str, str], there: Mapping[str, str], *, strangers: bool
) -> Iterator[Drift]:
    """Entries of AstDB. `strangers`: what nobody wants is deleted."""
    for key, value in wanted.items():
        if there.get(key) != value:
            yield Drift(kind, f"{family}/{key}", (PutRoute(pbx=pbx, family=family, key=key, value=value),))
    for key in there if strangers else ():
        if key not in wanted:
            yield Drift(kind, f"{family}/{key}", (PutRoute(pbx=pbx, family=family, key=key, value=""),))


def queues(pbx: str, wanted: Iterable[str], loaded: Iterable[str], *, as_written: bool) -> Iterator[Drift]:
    """`as_written`: the generated file says what it should. A queue too many does no harm while callers are in it."""
    missing = sorted(set(wanted) - set(loaded))
    if missing or not as_written:
        yield Drift(DriftKind.QUEUE, " ".join(missing) or "file", (ReloadQueues(pbx=pbx),))


def hours(pbx: str, wanted: Sequence[str], loaded: Sequence[str], *, as_written: bool) -> Iterator[Drift]:
    """`wanted`, `loaded`: the context's applications with their arguments."""
    if list(wanted) != list(loaded) or not as_written:
        yield Drift(DriftKind.HOURS, "hours", (ReloadDialplan(pbx=pbx),))


def members(
    pbx: str, wishes: Mapping[tuple[int, str], bool], there: Members, pauses: Mapping[int, Pause]
) -> Iterator[Drift]:
    """`wishes`: (account, queue) → to be rung from it. `pauses`: for who comes back."""
    for (account, queue), wanted in wishes.items():
        interface = interface_of(account)
        if queue in there and wanted != (interface in there[queue]):
            mend = (
                _let_in(pbx, account, queue, pauses.get(account, Pause())) if wanted else _let_out(pbx, account, queue)
            )
            yield Drift(DriftKind.SIGN_IN, f"{queue} {interface}", (mend,))
    yield from _penalties(pbx, there)
    yield from _pauses(pbx, there)


def unspoken(wishes: Mapping[tuple[int, str], object], there: Members) -> set[tuple[int, str]]:
    """(account, queue) of members of whom nothing was ever said: signed in by other means than ours."""
    found = ((account_of(interface), queue) for queue, listed in there.items() for interface in listed)
    return {(account, queue) for account, queue in found if account is not None and (account, queue) not in wishes}


def remembered(kept: Mapping[int, Pause], there: Members, busy: Collection[int]) -> dict[int, Pause]:
    """How everybody comes back: as last listed. `kept`: of the last look. `busy`: who talks, writes or is rung.

    Whoever is busy and listed nowhere was free when last seen and answered since: the dialplan found no membership to
    pause. They come back to their wrap-up, and end it themselves.
    """
    found = {
        account: Pause(member.paused, member.reason)
        for listed in there.values()
        for interface, member in listed.items()
        if (account := account_of(interface)) is not None
    }
    pauses = {**kept, **found}
    for account in busy:
        if account not in found and not pauses.get(account, Pause()).paused:
            pauses[account] = Pause(paused=True, reason=WRAP_UP)
    return pauses


def _let_in(pbx: str, account: int, queue: str, pause: Pause) -> Command:
    return AddMember(
        pbx=pbx,
        queue=queue,
        interface=interface_of(account),
        name=endpoint_of(account),
        paused=pause.paused,
        pause_reason=pause.reason,
    )


def _let_out(pbx: str, account: int, queue: str) -> Command:
    return RemoveMember(pbx=pbx, queue=queue, interface=interface_of(account))


def _penalties(pbx: str, there: Members) -> Iterator[Drift]:
    for queue, listed in there.items():
        for interface, member in listed.items():
            if member.penalty and account_of(interface) is not None:
                mend = SetPenalty(pbx=pbx, queue=queue, interface=interface)
                yield Drift(DriftKind.PENALTY, f"{queue} {interface}", (mend,))


def _pauses(pbx: str, there: Members) -> Iterator[Drift]:
    """Half a pause would ring somebody who writes: it becomes a whole one, and the listener ends it."""
    by_interface: dict[str, list[MemberListed]] = {}
    for listed in there.values():
        for interface, member in listed.items():
            if account_of(interface) is not None:
                by_interface.setdefault(interface, []).append(member)
    for interface, found in by_interface.items():
        paused = [member for member in found if member.paused]
        if paused and len(paused) < len(found):
            reason = next((member.reason for member in paused if member.reason), "")
            mend = PauseMember(pbx=pbx, interface=interface, paused=True, reason=reason)
            yield Drift(DriftKind.PAUSE, interface, (mend,))
