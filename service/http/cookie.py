"""The session's cookie."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.accounts.sessions import SESSION_LASTS

#: The prefix makes browsers insist on Secure, Path=/ and no Domain. Chromium takes it on http://localhost, too.
COOKIE: Final = "__Host-ecoute"


def token_of(request: web.Request) -> str | None:
    """The session's token, if the browser sent one. Ours are ASCII: what is not opens nothing."""
    token = request.cookies.get(COOKIE, "")
    return token if token and token.isascii() else None


def set_cookie(response: web.StreamResponse, token: str) -> None:
    """Signed in, renewed, or still in use: its life in the browser starts anew."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SESSION_LASTS.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="Strict",
    )


def clear_cookie(response: web.StreamResponse) -> None:
    """Signed out."""
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
