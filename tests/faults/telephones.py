"""The listeners' telephones: groups with habits, and some that may be killed under a conversation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tests.faults.callers import given_up
from tests.faults.stories import Leg, legs
from tests.integration.live.line import PASSWORD
from tests.support.audio import CallerAudio
from tests.support.sipp import Phone

if TYPE_CHECKING:
    from tests.faults.line import FaultLine

#: seconds of ringing, and of talking before the listener ends it on purpose, as a page does
HABITS: Final = ((0.3, 12.0), (1.0, 21.0), (2.0, 33.0), (0.6, 600.0))
#: so many have a telephone of their own that a fault may kill
FRAGILE: Final = 3
_ON_PURPOSE: Final = "Reason: Q.850;cause=31"
_EXPIRES: Final = 7200


@dataclass(slots=True)
class Telephone:
    """One process of sipp for these listeners. `killed_at`: epoch seconds."""

    users: tuple[str, ...]  #: `listener4`
    phone: Phone
    ring: float
    talk: float
    killed_at: float | None = None


class Telephones:
    """`groups` stand for the whole run; `fragile` may be killed and replaced, what they saw is kept in `past`."""

    def __init__(self, line: FaultLine, listeners: int) -> None:
        self._line = line
        names = [f"listener{n}" for n in range(1, listeners + 1)]
        fragile, steady = names[:FRAGILE], names[FRAGILE:]
        self.groups = [
            self._telephone(tuple(steady[habit :: len(HABITS)]), ring, talk)
            for habit, (ring, talk) in enumerate(HABITS)
        ]
        self.fragile = {name: self._telephone((name,), 0.5, 40.0) for name in fragile}
        self.past: list[Telephone] = []

    def _telephone(self, users: tuple[str, ...], ring: float, talk: float) -> Telephone:
        phone = self._line.phone(*users, ring=ring, talk=talk, say=_ON_PURPOSE, expires=_EXPIRES)
        return Telephone(users, phone, ring, talk)

    def add(self, user: str, *, ring: float, talk: float, audio: CallerAudio) -> Telephone:
        """One more, with a voice."""
        phone = self._line.phone(user, ring=ring, talk=talk, say=_ON_PURPOSE, expires=_EXPIRES, audio=audio)
        self.groups.append(Telephone((user,), phone, ring, talk))
        return self.groups[-1]

    def endpoint(self, user: str) -> str:
        return f"l{self._line.ids[user]}"

    def unregister(self, user: str) -> None:
        """As the PBX does by itself when a browser's WebSocket is gone."""
        telephone = self.fragile[user]
        telephone.phone.register(self._line.pbx.ports.sip, self.endpoint(user), PASSWORD, expires=0)

    def kill(self, user: str) -> None:
        """The telephone is gone, without a word."""
        telephone = self.fragile[user]
        telephone.phone.stop()
        telephone.killed_at = time.time()

    def replace(self, user: str) -> None:
        """A new one for whoever's was killed."""
        old = self.fragile[user]
        if old.killed_at is not None:
            self.past.append(old)
            self.fragile[user] = self._telephone(old.users, old.ring, old.talk)

    def register_all(self) -> None:
        """Every telephone tells again where it is."""
        for telephone in (*self.groups, *self.fragile.values()):
            for user in telephone.users:
                port = self._line.pbx.ports.sip
                telephone.phone.register(port, self.endpoint(user), PASSWORD, expires=_EXPIRES)

    def legs(self) -> list[Leg]:
        """Everything that every telephone saw."""
        everyone = (*self.groups, *self.fragile.values(), *self.past)
        return [leg for telephone in everyone for leg in legs(telephone.phone.log, telephone.killed_at)]

    def troubles(self) -> list[str]:
        """What sipp itself complained of: the test's own side."""
        everyone = (*self.groups, *self.fragile.values(), *self.past)
        return [trouble for telephone in everyone for trouble in given_up(telephone.phone.errors())]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for telephone in (*self.groups, *self.fragile.values()):
            telephone.phone.stop()
