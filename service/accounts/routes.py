"""Signing in and out."""

from __future__ import annotations

from service.accounts import use_cases
from service.accounts.schemas import Me, PreferencesIn, SignInIn, me
from service.http.cookie import clear_cookie, set_cookie
from service.http.keys import CLOCK, KEYRING, OPTIONS, PUBLISH, STORE, SessionEnded
from service.http.options import client_address
from service.http.routing import PUBLIC, SIGNED_IN, RouteTable, Visit

routes = RouteTable("accounts")


@routes.change("POST", "/session", right=PUBLIC, body=SignInIn, response=Me)
async def sign_in(visit: Visit[SignInIn]) -> Me:
    """Sign in; the cookie that comes back is the session."""
    app, request = visit.app, visit.request
    address = client_address(request.remote, request.headers.getall("X-Forwarded-For", []), app[OPTIONS])
    signed_in = await use_cases.sign_in(
        app[STORE],
        app[KEYRING],
        username=visit.body.username,
        password=visit.body.password,
        address=address,
        at=app[CLOCK](),
    )
    visit.on_response(lambda response: set_cookie(response, signed_in.token))
    return me(signed_in.viewer)


@routes.get("/session", right=SIGNED_IN, response=Me)
async def session(visit: Visit) -> Me:
    """Who is signed in."""
    return me(visit.viewer)


@routes.change("PATCH", "/session", right=SIGNED_IN, body=PreferencesIn, response=Me)
async def choose_preferences(visit: Visit[PreferencesIn]) -> Me:
    """Choose the language of one's pages."""
    async with visit.app[STORE].transaction() as session:
        await use_cases.choose_locale(session, visit.viewer, visit.body.locale)
    return me(visit.viewer, visit.body.locale)


@routes.delete("/session", right=SIGNED_IN)
async def sign_out(visit: Visit) -> None:
    """Sign out here. A call that is live goes on."""
    viewer = visit.viewer
    async with visit.app[STORE].transaction() as session:
        await use_cases.sign_out(session, visit.app[KEYRING], viewer, visit.app[CLOCK]())
    visit.app[PUBLISH](SessionEnded(session_id=viewer.session_id, account_id=viewer.account_id))
    visit.on_response(clear_cookie)
