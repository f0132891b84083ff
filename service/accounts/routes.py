"""Signing in and out, and one's own account: its sessions and its second step."""

from __future__ import annotations

import time

from service.accounts import events, second_step, sessions, signing, use_cases
from service.accounts.schemas import (
    CodeIn,
    EndedOut,
    EnrolmentOut,
    EventsOut,
    Me,
    NewCodesIn,
    OwnPasswordIn,
    PreferencesIn,
    RecoveryCodesOut,
    SecondStepOut,
    SessionOut,
    SessionsOut,
    SignInIn,
    me,
)
from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.errors import Conflict, NotFound, TooMany, Unauthenticated, Unfit
from service.http.cookie import clear_cookie, set_cookie, token_of
from service.http.keys import CLIENTS, CLOCK, DOORWAY, KEYRING, LEFT, OPTIONS, PUBLISH, STORE, SessionEnded
from service.http.routing import PUBLIC, SIGNED_IN, Reach, RouteTable, Visit

routes = RouteTable("accounts")
_OWN_SETTING = "one's own account, no case"
_TOO_OFTEN = (TooMany, "sign-in-too-often")
_WRONG_PASSWORD = (Unfit, "password-wrong")


@routes.change(
    "POST",
    "/session",
    right=PUBLIC,
    body=SignInIn,
    response=Me,
    fails=[
        (Unauthenticated, "sign-in-refused"),
        (Unauthenticated, "second-step-needed"),
        (Unauthenticated, "second-step-refused"),
        _TOO_OFTEN,
        (TooMany, "address-too-often"),
    ],
    reach=Reach.OWN,
    audits=(Action.SIGNED_IN,),
)
async def sign_in(visit: Visit[SignInIn]) -> Me:
    """Sign in; the cookie that comes back is the session."""
    app, request = visit.app, visit.request
    address = app[CLIENTS].address(request.remote, request.headers.getall("X-Forwarded-For", []))
    browser_had = token_of(request)
    async with app[DOORWAY].passed(app[STORE], address, browser_had, time.monotonic()):
        signed_in = await signing.sign_in(
            app[STORE],
            app[KEYRING],
            username=visit.body.username,
            password=visit.body.password,
            code=visit.body.code,
            address=address,
            at=app[CLOCK](),
            browser_had=browser_had,
            step_asked_of=app[OPTIONS].second_step_roles,
        )
    if signed_in.replaced is not None:
        app[PUBLISH](SessionEnded(session_id=signed_in.replaced))
    visit.on_response(lambda response: set_cookie(response, signed_in.token))
    return me(signed_in.viewer)


@routes.get("/session", right=SIGNED_IN, response=Me, reach=Reach.OWN, audits=_OWN_SETTING, in_contact=True)
async def session(visit: Visit) -> Me:
    """Who is signed in."""
    return me(visit.viewer)


@routes.change(
    "PATCH",
    "/session",
    right=SIGNED_IN,
    body=PreferencesIn,
    response=Me,
    reach=Reach.OWN,
    audits=_OWN_SETTING,
    per_minute=60,
)
async def choose_preferences(visit: Visit[PreferencesIn]) -> Me:
    """Choose the language of one's pages."""
    async with visit.app[STORE].transaction() as session:
        await use_cases.choose_locale(session, visit.viewer, visit.body.locale)
    return me(visit.viewer, visit.body.locale)


@routes.delete("/session", right=SIGNED_IN, reach=Reach.OWN, audits=(Action.SIGNED_OUT,), in_contact=True)
async def sign_out(visit: Visit) -> None:
    """Sign out here. A call that is live goes on; without their phone nobody rings them."""
    viewer = visit.viewer
    async with visit.app[STORE].transaction() as session:
        phone_goes = await sessions.sign_out(session, visit.app[KEYRING], viewer, visit.app[CLOCK]())
    _tell(visit, viewer.session_id)
    if phone_goes:
        await visit.app[LEFT](viewer)
    visit.on_response(clear_cookie)


# --- one's sessions ---------------------------------------------------------------------------------------------------


@routes.get(
    "/account/sessions", right=SIGNED_IN, response=SessionsOut, reach=Reach.OWN, audits=_OWN_SETTING, per_minute=60
)
async def own_sessions(visit: Visit) -> SessionsOut:
    """Where one is signed in."""
    viewer = visit.viewer
    async with visit.app[STORE].reading() as session:
        rows = await sessions.own(session, viewer, visit.app[CLOCK]())
    holder = sessions.holder_of(rows)
    shown = [
        SessionOut(
            session_id=row.id,
            made_at=row.made_at,
            used_at=row.used_at,
            here=row.id == viewer.session_id,
            phone=row is holder,
        )
        for row in rows
    ]
    return SessionsOut(sessions=shown)


@routes.delete(
    "/account/sessions/{session_id}",
    right=SIGNED_IN,
    fails=[(NotFound, "session-unknown")],
    reach=Reach.OWN,
    audits=(Action.SESSIONS_ENDED,),
)
async def end_session(visit: Visit) -> None:
    """Sign out elsewhere. A call that is live there goes on."""
    session_id = visit.number("session_id")
    async with visit.app[STORE].transaction() as session:
        await sessions.end_one(session, visit.app[KEYRING], visit.viewer, session_id, visit.app[CLOCK]())
    _tell(visit, session_id)


@routes.change(
    "POST",
    "/account/sessions/end-others",
    right=SIGNED_IN,
    response=EndedOut,
    reach=Reach.OWN,
    audits=(Action.SESSIONS_ENDED,),
)
async def end_other_sessions(visit: Visit) -> EndedOut:
    """Sign out everywhere but here. Calls that are live go on."""
    async with visit.app[STORE].transaction() as session:
        ended = await sessions.end_others(session, visit.app[KEYRING], visit.viewer, visit.app[CLOCK]())
    for session_id in ended:
        _tell(visit, session_id)
    return EndedOut(ended=len(ended))


@routes.get("/account/events", right=SIGNED_IN, response=EventsOut, reach=Reach.OWN, audits=_OWN_SETTING, per_minute=60)
async def own_events(visit: Visit) -> EventsOut:
    """What happened to one's account lately: sign-ins, refused ones, sessions that ended and why."""
    async with visit.app[STORE].reading() as session:
        return await events.own(session, visit.viewer, visit.app[CLOCK]())


# --- the second step --------------------------------------------------------------------------------------------------


@routes.get(
    "/account/second-step", right=SIGNED_IN, response=SecondStepOut, reach=Reach.OWN, audits=_OWN_SETTING, per_minute=60
)
async def own_second_step(visit: Visit) -> SecondStepOut:
    """Whether one signs in with a second step."""
    async with visit.app[STORE].reading() as session:
        found = await second_step.state(session, visit.viewer.account_id)
    return SecondStepOut(
        on=found.on, required=_asked_of(visit, visit.viewer), recovery_codes_left=found.recovery_codes_left
    )


@routes.change(
    "POST",
    "/account/second-step",
    right=SIGNED_IN,
    body=OwnPasswordIn,
    response=EnrolmentOut,
    fails=[_WRONG_PASSWORD, _TOO_OFTEN, (Conflict, "second-step-on")],
    reach=Reach.OWN,
    audits="holds nothing yet: confirming it is on the trail",
)
async def begin_second_step(visit: Visit[OwnPasswordIn]) -> EnrolmentOut:
    """A secret for one's telephone. Holds once a code of it was confirmed."""
    app = visit.app
    begun = await second_step.begin(
        app[STORE], app[KEYRING], visit.viewer, password=visit.body.password, at=app[CLOCK]()
    )
    return EnrolmentOut(secret=begun.secret, uri=begun.uri, picture=begun.picture, size=begun.size)


@routes.change(
    "POST",
    "/account/second-step/confirm",
    right=SIGNED_IN,
    body=CodeIn,
    response=RecoveryCodesOut,
    fails=[(Unfit, "code-wrong"), _TOO_OFTEN, (Conflict, "second-step-not-begun")],
    reach=Reach.OWN,
    audits=(Action.SECOND_STEP_SET,),
)
async def confirm_second_step(visit: Visit[CodeIn]) -> RecoveryCodesOut:
    """The telephone shows the right code: from now on it is asked for. Recovery codes come back, once."""
    app = visit.app
    codes = await second_step.confirm(app[STORE], app[KEYRING], visit.viewer, code=visit.body.code, at=app[CLOCK]())
    return RecoveryCodesOut(codes=codes)


@routes.change(
    "POST",
    "/account/second-step/codes",
    right=SIGNED_IN,
    body=NewCodesIn,
    response=RecoveryCodesOut,
    fails=[_WRONG_PASSWORD, (Unfit, "code-wrong"), _TOO_OFTEN, (Conflict, "second-step-off")],
    reach=Reach.OWN,
    audits=(Action.RECOVERY_CODES_MADE,),
)
async def renew_recovery_codes(visit: Visit[NewCodesIn]) -> RecoveryCodesOut:
    """Other recovery codes, once. Those from before hold no more."""
    app, body = visit.app, visit.body
    codes = await second_step.renew_codes(
        app[STORE], app[KEYRING], visit.viewer, password=body.password, code=body.code, at=app[CLOCK]()
    )
    return RecoveryCodesOut(codes=codes)


@routes.change(
    "POST",
    "/account/second-step/remove",
    right=SIGNED_IN,
    body=OwnPasswordIn,
    response=SecondStepOut,
    fails=[_WRONG_PASSWORD, _TOO_OFTEN, (Conflict, "second-step-required")],
    reach=Reach.OWN,
    audits=(Action.SECOND_STEP_REMOVED,),
)
async def remove_second_step(visit: Visit[OwnPasswordIn]) -> SecondStepOut:
    """Sign in with the password alone again."""
    app, viewer = visit.app, visit.viewer
    asked = _asked_of(visit, viewer)
    await second_step.remove(
        app[STORE], app[KEYRING], viewer, password=visit.body.password, asked_of_them=asked, at=app[CLOCK]()
    )
    return SecondStepOut(on=False, required=asked, recovery_codes_left=0)


def _asked_of(visit: Visit[OwnPasswordIn] | Visit, viewer: Viewer) -> bool:
    return bool(viewer.roles & visit.app[OPTIONS].second_step_roles)


def _tell(visit: Visit, session_id: int) -> None:
    """Its pages are to be closed."""
    visit.app[PUBLISH](SessionEnded(session_id=session_id))
