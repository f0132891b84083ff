"""A listener's phone, queue, pause, and own "end"."""

from __future__ import annotations

from service.accounts.rights import Right
from service.accounts.use_cases import take_phone
from service.errors import Conflict, Forbidden, NotFound, Unavailable, Unfit
from service.http.keys import CLOCK, KEYRING, STORE
from service.http.routing import Reach, RouteTable, Visit
from service.listeners import use_cases
from service.listeners.schemas import PauseIn, PhoneOut, Requested
from service.live import LIVE, REFUSED_BY_PBX

routes = RouteTable("listeners")

_NO_PBX = (Unavailable, "pbx-unreachable")
_NO_MEMBER = (Conflict, "not-signed-in-to-queue")
_NO_CASE = "asks the telephone system, reads and changes no case"


@routes.change(
    "POST",
    "/phone",
    right=Right.TAKE_CALLS,
    response=PhoneOut,
    reach=Reach.OWN,
    audits=_NO_CASE,
    in_contact=True,
    fails=[_NO_PBX, (Forbidden, "call-over")],
)
async def phone(visit: Visit) -> PhoneOut:
    """The browser phone of this session; the PBX knows it when the answer comes."""
    live, clock = visit.app[LIVE], visit.app[CLOCK]
    if visit.viewer.confined and visit.viewer.account_id not in live.world.accounts_in_call():
        raise Forbidden("call-over", "Your call is over: what is left is to write it up.")
    live.meet(visit.viewer)
    async with visit.app[STORE].transaction() as session:
        account, _changed = await take_phone(session, visit.app[KEYRING], visit.viewer, clock())
    await live.ensure_phone(account.endpoint, account.password)
    home = live.settings.pbx[0]
    return PhoneOut(
        endpoint=account.endpoint,
        sip_uri=f"sip:{account.endpoint}@{home.host}",
        password=account.password,
        websocket_url=live.websocket_urls[home.id],
        session=visit.viewer.session_id,
    )


@routes.change(
    "POST",
    "/listener/sign-in",
    right=Right.TAKE_CALLS,
    response=Requested,
    reach=Reach.OWN,
    audits=_NO_CASE,
    fails=[_NO_PBX, *REFUSED_BY_PBX],
)
async def sign_in_to_queue(visit: Visit) -> Requested:
    """Be rung for callers."""
    await use_cases.sign_in(visit.app[LIVE], visit.viewer)
    return Requested()


@routes.change(
    "POST",
    "/listener/sign-out",
    right=Right.TAKE_CALLS,
    response=Requested,
    reach=Reach.OWN,
    audits=_NO_CASE,
    fails=[_NO_PBX, *REFUSED_BY_PBX],
)
async def sign_out_of_queue(visit: Visit) -> Requested:
    """Be rung no more; a conversation goes on."""
    await use_cases.sign_out(visit.app[LIVE], visit.viewer)
    return Requested()


@routes.change(
    "POST",
    "/listener/pause",
    right=Right.TAKE_CALLS,
    body=PauseIn,
    response=Requested,
    reach=Reach.OWN,
    audits=_NO_CASE,
    fails=[(Unfit, "pause-reason-unknown"), _NO_MEMBER, _NO_PBX, *REFUSED_BY_PBX],
)
async def pause(visit: Visit[PauseIn]) -> Requested:
    """Take a pause; nobody asks why."""
    await use_cases.pause(visit.app[LIVE], visit.viewer, visit.body.reason)
    return Requested()


@routes.change(
    "POST",
    "/listener/resume",
    right=Right.TAKE_CALLS,
    response=Requested,
    reach=Reach.OWN,
    audits=_NO_CASE,
    in_contact=True,
    fails=[(Conflict, "in-conversation"), _NO_MEMBER, _NO_PBX, *REFUSED_BY_PBX],
)
async def resume(visit: Visit) -> Requested:
    """End the wrap-up or the pause."""
    await use_cases.resume(visit.app[LIVE], visit.viewer)
    return Requested()


@routes.change(
    "POST",
    "/calls/{call_id}/end",
    right=Right.TAKE_CALLS,
    response=Requested,
    reach=Reach.OWN,
    audits=_NO_CASE,
    in_contact=True,
    fails=[
        (NotFound, "call-not-live"),
        (Forbidden, "not-your-call"),
        (Conflict, "not-in-conversation"),
        _NO_PBX,
        *REFUSED_BY_PBX,
    ],
)
async def end_call(visit: Visit) -> Requested:
    """End one's own conversation, where the phone could not."""
    await use_cases.end_call(visit.app[LIVE], visit.viewer, visit.word("call_id"))
    return Requested()
