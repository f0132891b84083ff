"""Pages of people of every role, and what each does with what it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.push.hub import Reader
from service.push.socket import REFETCH_FRAME, changes_frame, tick_frame

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


class Refetch(Exception):
    """The page must connect again."""


@dataclass
class Page:
    """What a page does with what it is sent: the rules of `live/protocol.ts`, and what came to it."""

    viewer: Viewer
    reader: Reader
    messages: list[dict[str, Any]] = field(default_factory=list)
    things: Things = field(default_factory=dict)
    seq: int | None = None

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
        """As the socket's writer does: at most one frame of changes, then a tick."""
        at, pieces = self.reader.take_tick(), self.reader.take()
        if self.reader.behind:
            self.hear(REFETCH_FRAME)
        if pieces:
            self.hear(changes_frame((self.seq or 0) + 1, pieces))
        if at is not None:
            self.hear(tick_frame(at))
