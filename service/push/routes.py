"""The live socket. The guard has checked origin and session."""

from __future__ import annotations

import time

from aiohttp import web

from service.audit.model import Action
from service.errors import TooMany
from service.http.routing import SIGNED_IN, Reach, RouteTable, Visit
from service.live import LIVE
from service.push.audiences import audiences_for
from service.push.hub import Reader
from service.push.schemas import LiveMessage
from service.push.socket import serve_reader

routes = RouteTable("push")


@routes.websocket(
    "/live",
    right=SIGNED_IN,
    sends=LiveMessage,
    reach=Reach.LIVE,
    audits=(Action.CASE_SHOWN,),
    in_contact=True,
    fails=[(TooMany, "too-many-pages")],
)
async def live(visit: Visit) -> web.StreamResponse:
    """A snapshot, then numbered changes of what this page may see."""
    with visit.app[LIVE].presence.page_of(visit.viewer.session_id):
        return await _served(visit)


async def _served(visit: Visit) -> web.StreamResponse:
    here, viewer = visit.app[LIVE], visit.viewer
    listener = viewer.listens
    reader = Reader(audiences_for(viewer), viewer.account_id, viewer.session_id, viewer.standing)
    here.meet(viewer)
    if listener:
        here.presence.opened(viewer.account_id)
        here.views.show_again(viewer.account_id)
    try:
        return await serve_reader(visit.request, here.board, reader)
    finally:
        here.refetches += reader.behind
        if listener:
            here.presence.closed(viewer.account_id, time.monotonic())
