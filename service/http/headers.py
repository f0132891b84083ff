"""Security headers on every response: what a page of ours may load, reach and be shown in."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from service.http.keys import OPTIONS
from service.http.options import HttpOptions, asked_encrypted, origin_of
from service.http.routing import PREFIX

_STRICT: Final = "Strict-Transport-Security"
_A_YEAR: Final = "max-age=31536000"


def content_security_policy(options: HttpOptions) -> str:
    """Everything from ourselves; connections also to the PBXs' WebSockets, and nowhere else."""
    names = (origin for origin in options.origins if "[" not in origin)  # CSP knows no IPv6 literals
    own_sockets = {origin.replace("http", "ws", 1) for origin in names}
    sockets = sorted(own_sockets | {origin_of(url) for url in options.sockets})
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "manifest-src 'self'",
            "media-src 'self' blob: mediastream:",
            f"connect-src 'self' {' '.join(sockets)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def security_headers(options: HttpOptions) -> dict[str, str]:
    """For every response."""
    headers = {
        "Content-Security-Policy": content_security_policy(options),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if options.encrypted:
        headers[_STRICT] = _A_YEAR
    return headers


def install(app: web.Application) -> None:
    """Add the headers whatever made the response: handler, error, file or WebSocket."""
    common, encrypted = security_headers(app[OPTIONS]), app[OPTIONS].encrypted

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(common)
        if not encrypted and asked_encrypted(request.host, request.app[OPTIONS]):
            response.headers[_STRICT] = _A_YEAR
        response.headers.pop("Server", None)
        if request.path.startswith(PREFIX):
            response.headers.setdefault("Cache-Control", "no-store")

    app.on_response_prepare.append(prepare)
