"""What a session asks when it begins, and what the answers mean as events: the same live and from a recording.

The id of each action begins with its word (`pbx.actions`), so that an answer in a recording says what was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pbx import actions, parse, parse_lists
from pbx.events import ContactsListed, LegsListed, MembersListed, SessionBegan, SnapshotTaken
from pbx.odd import Odd
from pbx.parse import Answer, Settled
from pbx.protocol import EventStream, PbxProtocol

T = TypeVar("T")


class Snapshot:
    """Of one session. `now`: the PBX's clock as far as we know it. `taken`: called when the snapshot is complete.

    Each list goes into the stream at the place of its answer; the members come last and complete the snapshot.
    """

    def __init__(
        self,
        protocol: PbxProtocol,
        stream: EventStream,
        now: Callable[[], float],
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._protocol = protocol
        self._stream = stream
        self._now = now
        self._taken = taken
        self._version = ""
        self._settled: dict[str, Settled] = {
            actions.core_settings().word: self._settings,
            actions.core_status().word: self._began,
            actions.list_legs().word: self._legs,
            actions.list_contacts().word: self.contacts,
            actions.list_members().word: self._members,
            actions.compare_members().word: self._compared,
        }

    def settled(self, word: str) -> Settled | None:
        """What to do with the answer to such an action; None where it changes nothing."""
        return self._settled.get(word)

    def _settings(self, answer: Answer, _items: list[str]) -> None:
        self._version = parse.version(answer)

    def _began(self, answer: Answer, _items: list[str]) -> None:
        if answer.success:
            self._protocol.muted = False
            self._stream.put(SessionBegan(at=self._now(), started=parse.started(answer), version=self._version))

    def _legs(self, answer: Answer, items: list[str]) -> None:
        if answer.success:
            self._stream.put(LegsListed(at=self._now(), legs=self._each(items, parse_lists.leg_listed)))

    def contacts(self, answer: Answer, items: list[str]) -> None:
        """They come over the other login; refused, they stay unknown until the phones say something."""
        if answer.success or answer.message == actions.list_contacts().already:
            now = self._now()
            found = self._each(items, lambda item: parse_lists.contact_listed(item, now))
            self._stream.put(ContactsListed(at=now, contacts=found))

    def _members(self, answer: Answer, items: list[str]) -> None:
        if answer.success:
            self._list(items, checking=False)
            self._taken()
            self._stream.put(SnapshotTaken(at=self._now()))

    def _compared(self, answer: Answer, items: list[str]) -> None:
        if answer.success:
            self._list(items, checking=True)

    def _list(self, items: list[str], *, checking: bool) -> None:
        now = self._now()
        found = self._each(items, lambda item: parse_lists.member_listed(item, now))
        self._stream.put(MembersListed(at=now, members=found, checking=checking))

    def _each(self, items: list[str], read: Callable[[str], T | None]) -> tuple[T, ...]:
        """What each item says; one that cannot be read costs itself alone."""
        found: list[T] = []
        for item in items:
            try:
                one = read(item)
            except Exception as error:
                self._stream.tally.note(Odd.UNREADABLE, error)
            else:
                if one is not None:
                    found.append(one)
        return tuple(found)
