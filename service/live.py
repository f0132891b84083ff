"""What the routes of the live rooms need, in one value: put together by `app.py`, found as `visit.app[LIVE]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from pbx.actions import REFUSALS
from pbx.calls import LiveCall
from pbx.commands import Command
from pbx.link import CommandRefused, NotConnected, OutcomeUnknown, PbxLink, Reply
from service.accounts.viewer import Viewer
from service.calls.lookup import Lookup
from service.errors import Conflict, NotFound, Unavailable
from service.push.hub import Board
from service.push.presence import Presence
from service.push.views import Views
from service.settings import Settings
from service.world import LinkState, Person, World

#: the ids with which `Live.send` tells that Asterisk refused, for the API's description
REFUSED_BY_PBX: Final = tuple((Conflict, f"pbx-{reason}") for reason in REFUSALS)

EnsurePhone = Callable[[str, str], Awaitable[None]]
EndWriting = Callable[[int, datetime], None]
JoinQueues = Callable[[int, Collection[str]], Awaitable[None]]
LeaveQueues = Callable[[int], Awaitable[None]]
ForgetWrapUp = Callable[[int], None]


async def _nobody_remembers(_account_id: int, _queues: Collection[str]) -> None:
    """Before it is wired."""


async def _nobody_remembers_either(_account_id: int) -> None:
    """Before it is wired."""


@dataclass(slots=True)
class Live:
    """By PBX id: `links`; `phones`, which makes a PBX know a phone; `websocket_urls`, as browsers reach it.

    `recorders`: told who ended their writing, for those whom no queue's event tells of. `join_queues`, `leave_queues`:
    told what listeners want (queues/wishes.py). `forget_wrapups`: told who is not to come back to a wrap-up.
    """

    settings: Settings
    world: World
    board: Board
    views: Views
    presence: Presence
    lookup: Lookup
    links: dict[str, PbxLink] = field(default_factory=dict)
    phones: dict[str, EnsurePhone] = field(default_factory=dict)
    websocket_urls: dict[str, str] = field(default_factory=dict)
    recorders: dict[str, EndWriting] = field(default_factory=dict)
    forget_wrapups: list[ForgetWrapUp] = field(default_factory=list)
    join_queues: JoinQueues = _nobody_remembers
    leave_queues: LeaveQueues = _nobody_remembers_either
    refetches: int = 0  #: pages that fell behind and were told to fetch again

    def meet(self, viewer: Viewer) -> None:
        """Somebody is here: their name goes with their calls."""
        self.world.people[viewer.account_id] = Person(viewer.account_id, viewer.display_name, viewer.centre)

    def reachable(self) -> list[str]:
        """Ids of the PBXs that can be spoken with. Unavailable if there is none."""
        found = [pbx for pbx, line in self.world.lines.items() if line.link is LinkState.UP]
        if not found:
            raise unreachable()
        return found

    def call(self, call_id: str) -> tuple[str, LiveCall]:
        """A call that lives, with its PBX. NotFound otherwise."""
        found = self.world.find_call(call_id)
        if found is None:
            raise NotFound("call-not-live", "This call has ended.")
        line, call = found
        return line.pbx, call

    def end_writing(self, account_id: int) -> None:
        """A listener is in contact no more. By the PBXs' clocks, as their answer was: by the latest of them."""
        at = datetime.fromtimestamp(max(link.pbx_now() for link in self.links.values()), UTC)
        for recorded in list(self.recorders.values())[:1]:  # one store: one of them tells it
            recorded(account_id, at)

    async def ensure_phone(self, endpoint: str, password: str) -> None:
        """Every PBX that can be reached knows this phone, so that it can register at once.

        One that is lost learns it when it is back. Unavailable if none could be told.
        """
        for pbx in self.reachable():
            await self.phones[pbx](endpoint, password)

    async def send(self, command: Command) -> Reply:
        """Ask the PBX, for a person who clicked: what they see changes when the PBX's event comes back."""
        try:
            return await self.links[command.pbx].send(command)
        except CommandRefused as error:
            raise Conflict(
                f"pbx-{error.id}", "The telephone system refused: look at the page's state and try again."
            ) from error
        except (NotConnected, OutcomeUnknown) as error:
            raise unreachable() from error


def unreachable() -> Unavailable:
    """The PBX does not answer us. Calls go on without."""
    return Unavailable("pbx-unreachable", "The telephone system does not answer the service: try again in a moment.")


LIVE: web.AppKey[Live] = web.AppKey("live", Live)
