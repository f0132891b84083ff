"""Pages of people of every role, and what each does with what it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.push.hub import REFETCH_FRAME, Reader

Key = tuple[str, str]
Things = dict[Key, Any]


def viewer(account_id: int, *roles: Role, centre: str | None = None) -> Viewer:
    return Viewer(
        account_id=account_id,
        session_id=100 + account_id,
        username=f"account{account_id}",
        display_name=f"Personne {account_id}",
        locale="fr",
        roles=frozenset(roles),
        centre=centre,
    )


VIEWERS = (
    viewer(1, Role.LISTENER),
    viewer(2, Role.LISTENER, Role.SUPERVISOR),
    viewer(7, Role.LISTENER, centre="centre-38"),
    viewer(21, Role.SUPERVISOR),
    viewer(22, Role.COORDINATOR, centre="centre-38"),
    viewer(23, Role.ANALYST),
    viewer(24, Role.DPO),
    viewer(25, Role.ADMINISTRATOR),
)


#: A page of these tests that has so many messages unread does not keep up.
UNREAD_LIMIT = 200


class Refetch(Exception):
    """The page must connect again."""


class Inbox:
    """A page as the board sees it: messages lie here until they are read."""

    def __init__(self, limit: int = UNREAD_LIMIT) -> None:
        self.frames: list[bytes] = []
        self.closed: bool | None = None  #: how: to come again, or not
        self._limit = limit

    def send(self, frame: bytes) -> bool:
        if len(self.frames) >= self._limit:
            return False
        self.frames.append(frame)
        return True

    def close(self, *, again: bool) -> None:
        self.closed = again
        if again:
            self.frames.append(REFETCH_FRAME)

    def take(self) -> list[bytes]:
        """What lies unread, read."""
        frames, self.frames = self.frames, []
        return frames


@dataclass
class Page:
    """What a page does with what it is sent: the rules of `live/protocol.ts`, and what came to it."""

    viewer: Viewer
    reader: Reader
    messages: list[dict[str, Any]] = field(default_factory=list)
    things: Things = field(default_factory=dict)
    seq: int | None = None
    inbox: Inbox = field(default_factory=Inbox)

    def hear(self, frame: bytes) -> None:
        message = json.loads(frame)
        self.messages.append(message)
        kind = message["type"]
        if kind == "refetch":
            raise Refetch
        if kind == "tick":
            return
        if kind == "snapshot":
            self.things = {}
        elif self.seq is None or message["seq"] != self.seq + 1:
            raise Refetch
        self.seq = message["seq"]
        for entity in message["entities"]:
            key = (entity["kind"], entity["id"])
            if entity["value"] is None:
                self.things.pop(key, None)
            else:
                self.things[key] = entity["value"]

    def take(self) -> None:
        """Read all that came."""
        for frame in self.inbox.take():
            self.hear(frame)
