"""Security headers on every response: what a page of ours may load, reach and be shown in."""

from __future__ import annotations

from aiohttp import web

from service.http.keys import OPTIONS
from service.http.options import HttpOptions, origin_of
from service.http.routing import PREFIX


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
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def install(app: web.Application) -> None:
    """Add the headers whatever made the response: handler, error, file or WebSocket."""
    common = security_headers(app[OPTIONS])

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(common)
        response.headers.pop("Server", None)
        if request.path.startswith(PREFIX):
            response.headers.setdefault("Cache-Control", "no-store")

    app.on_response_prepare.append(prepare)
