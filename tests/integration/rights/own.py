"""One's own things, and nobody else's: whose each is that an answer tells, and whom a command to the PBX is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import select

from pbx.commands import Command
from service.accounts.model import SignedInSession
from service.accounts.use_cases import phone_context
from tests.integration.rights.house import House, Viewer

_ENDPOINT: Final = re.compile(r"(?:PJSIP/)?l([0-9]+)(?:-.*)?")
_SIP: Final = re.compile(r"sip:l([0-9]+)@")
#: fields that tell of one account alone
_SESSIONS: Final = ("session_id", "session")
_SECRETS: Final = ("secret", "password", "uri", "codes")


def _fields(told: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in an answer, with the name of its field."""
    if isinstance(told, dict):
        for key, value in told.items():
            yield from _fields(value, key)
    elif isinstance(told, list):
        for value in told:
            yield from _fields(value, name)
    else:
        yield name, told


class Owners:
    """Whose is what. A secret belongs to the first to whom it was given: nobody else may ever be given the same."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._sessions: dict[int, int] = {}
        self._given: dict[str, int] = {}
        self._usernames = {one.username: one.account_id for one in house.viewers if one.account_id}
        self.taken = 0  #: commands that were looked at

    async def learn(self) -> None:
        """Sessions that were made since, each with its phone's password."""
        async with self.house.store.reading() as session:
            rows = await session.execute(
                select(SignedInSession.id, SignedInSession.account_id, SignedInSession.phone_password).where(
                    SignedInSession.id > max(self._sessions, default=0)
                )
            )
            for session_id, account_id, password in rows:
                self._sessions[session_id] = account_id
                self._given[self.house.keyring.open(password, phone_context(account_id))] = account_id

    def anothers(self, viewer: Viewer, text: str) -> str | None:
        """What an answer tells that is another account's."""
        for name, value in _fields(json.loads(text) if text else None):
            if self._owner(name, value, viewer.account_id) not in (None, viewer.account_id):
                return f"tells another's {name}"
        return None

    def _owner(self, name: str, value: Any, asks: int) -> int | None:
        if name in _SESSIONS and isinstance(value, int):
            return self._sessions.get(value, 0)
        if name == "account_id" and isinstance(value, int):
            return value
        if not isinstance(value, str):
            return None
        if name == "username":
            return self._usernames.get(value, 0)
        if name in _SECRETS:
            return self._given.setdefault(value, asks)
        found = (_ENDPOINT.fullmatch(value) if name == "endpoint" else None) or _SIP.match(value)
        return int(found[1]) if found else None

    def commands(self) -> list[Command]:
        """What the PBX was asked for since this was last asked."""
        link: Any = self.house.live.links[next(iter(self.house.live.links))]
        fresh = link.taken[self.taken :]
        self.taken = len(link.taken)
        return list(fresh)

    def about(self, command: Command) -> int | None:
        """The account whose phone or conversation a command is about; none: it is not told."""
        interface = getattr(command, "interface", None)
        if interface is None:
            channel = getattr(command, "channel", "")
            calls = self.house.line().state.calls.values()
            talks = [call.listener for call in calls if channel in (call.channel, call.listener_channel)]
            interface = talks[0] if talks else channel
        found = _ENDPOINT.fullmatch(interface or "")
        return int(found[1]) if found else None
