"""The phones' registrations: an endpoint is reachable while one of its contacts is. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable

from pbx.events import ContactSeen
from pbx.facts import Fact, PhoneChanged


class ContactTracker:
    """`phones`: endpoint → reachable. A browser that registers anew may be seen twice for a moment."""

    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self.phones: dict[str, bool] = {}
        self._contacts: dict[str, dict[str, bool]] = {}
        self._seen_live: set[str] = set()

    def begin_session(self) -> None:
        """What is seen from now on outranks the list, which comes over another connection."""
        self._seen_live.clear()

    def seen(self, event: ContactSeen) -> list[Fact]:
        """A contact as it is now."""
        self._seen_live.add(event.endpoint)
        contacts = self._contacts.setdefault(event.endpoint, {})
        if event.removed:
            contacts.pop(event.uri, None)
        elif event.reachable is not None:
            contacts[event.uri] = event.reachable
        else:
            contacts.setdefault(event.uri, True)
        return self._told(event.endpoint, event.at, removed=event.removed)

    def listed(self, at: float, contacts: Iterable[ContactSeen]) -> list[Fact]:
        """All contacts at once: endpoints that are not among them have none."""
        found: dict[str, dict[str, bool]] = {endpoint: {} for endpoint in self._contacts}
        for contact in contacts:
            found.setdefault(contact.endpoint, {})[contact.uri] = contact.reachable is not False
        facts: list[Fact] = []
        for endpoint, uris in found.items():
            if endpoint not in self._seen_live:
                self._contacts[endpoint] = uris
                facts += self._told(endpoint, at)
        return facts

    def _told(self, endpoint: str, at: float, *, removed: bool = False) -> list[Fact]:
        reachable = any(self._contacts[endpoint].values())
        if self.phones.get(endpoint) == reachable:
            return []
        self.phones[endpoint] = reachable
        return [PhoneChanged(pbx=self.pbx, at=at, endpoint=endpoint, reachable=reachable, removed=removed)]
