"""What a fault is, for the command that draws one, injects it, holds it, undoes it and then looks at the line.

A fault is a class with the fields and methods below (no base class is needed) and one instance of it in the list of
tests/faults/faults.py. Its parts may sit in tests/faults/tools/. For example:

    class ServiceFrozen:
        name = "service-frozen"
        seconds = 5.0
        needs = frozenset[Need]()
        cuts_calls = False
        settle_seconds = 5.0
        expect = "calls go on; the board is right again"

        def inject(self, line: FaultLine) -> None:
            line.signal_service(signal.SIGSTOP)

        def undo(self, line: FaultLine) -> None:
            line.signal_service(signal.SIGCONT)

`inject` returns as soon as the fault holds; the command then waits `seconds` (whatever the fault does by itself in that
time belongs to it) and calls `undo`. `undo` must leave the line as it was (service up, phones there), is called
exactly once for each `inject`, also when `inject` raised, and must stand being called when only half was injected.
What must be true afterwards, for every fault alike, is checked by the command: the invariants of docs/faults.md. A
fault may check what is special to it in `undo` and raise `NotAsExpected`, which is a finding; one that broke nothing
raises `FaultWithoutEffect`, and counts for nothing. A fault that is a context (tests/faults/tools/ has several) is
a line in the list: `Held("ami-slow", 8.0, "what is expected", lambda line: line.proxy.slower(delay=0.5))`.

Chance is `line.random` (seeded by the run), never the module `random`. What is logged goes to `line.say(text)`.
Everything runs in one network namespace that the command made for itself when it is root (only `lo` in it, so `tc` and
packet filters there disturb nobody): who needs that says `Need.NAMESPACE`; where it is not there, such faults are left
out by name and the report says so.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.faults.line import FaultLine


class Need(StrEnum):
    """What a fault cannot do without."""

    ROOT = "root"
    NAMESPACE = "namespace"  # a network namespace of the run's own: tc, packet filters
    MOUNT = "mount"  # may mount (a small tmpfs)


class NotAsExpected(Exception):
    """What is special to a fault did not hold. The text names no person and no number."""


class Injector(Protocol):
    """One kind of fault."""

    @property
    def name(self) -> str:
        """Kebab-case; what `--only` takes."""

    @property
    def seconds(self) -> float:
        """How long it is held."""

    @property
    def needs(self) -> frozenset[Need]:
        """Without these it is left out."""

    @property
    def cuts_calls(self) -> bool:
        """True: calls may end by it (Asterisk killed). Such a fault is never drawn, only run by name."""

    @property
    def settle_seconds(self) -> float:
        """After `undo` returned: until the board must equal Asterisk's own view (5 for most)."""

    @property
    def expect(self) -> str:
        """One sentence for the table in docs/faults.md."""

    def inject(self, line: FaultLine) -> None:
        """Break it."""

    def undo(self, line: FaultLine) -> None:
        """Mend it."""
