"""Keeping unsaved notes in the browser."""

from __future__ import annotations

import base64

from service.accounts.rights import Right
from service.drafts.schemas import DraftKeeping
from service.http.keys import KEYRING, OPTIONS
from service.http.routing import Reach, RouteTable, Visit

routes = RouteTable("drafts")


@routes.get(
    "/drafts",
    right=Right.WRITE_CASES,
    response=DraftKeeping,
    reach=Reach.OWN,
    audits="a secret of one's own, no case is read",
    in_contact=True,
)
async def draft_keeping(visit: Visit) -> DraftKeeping:
    """What this page needs to keep unsaved notes in its browser, for this account alone."""
    half = visit.app[KEYRING].drafts_half(visit.viewer.account_id)
    return DraftKeeping(secret=base64.b64encode(half).decode(), keep_days=visit.app[OPTIONS].drafts_keep_days)
