"""What happened to one's own account lately, from the audit trail: so that its owner sees what was not them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, get_args

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.schemas import EventsOut, SecurityAction, SecurityEvent
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.audit.model import Action

#: shown so far back…
DAYS: Final = 30
#: …and so many at most
MOST: Final = 50
_WORDS: Final = {Action(word): word for word in get_args(SecurityAction)}
_REFUSED: Final = (Action.SIGN_IN_REFUSED, Action.CODE_REFUSED)


async def own(session: AsyncSession, viewer: Viewer, at: datetime) -> EventsOut:
    """Of the viewer's own account alone."""
    since = at - timedelta(days=DAYS)
    entries = await audit.of_subject(session, "account", viewer.account_id, list(_WORDS), since=since, limit=MOST)
    refused = await audit.count_of_subject(session, "account", viewer.account_id, _REFUSED, since=since)
    shown = [
        SecurityEvent(at=one.at, what=_WORDS[one.action], by_me=one.account_id == viewer.account_id) for one in entries
    ]
    return EventsOut(days=DAYS, refused=refused, events=shown)
