"""The built front end, from memory: file names with a hash are kept for a year, everything else is asked for anew."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from service.errors import NotFound
from service.http.routing import PUBLIC, Reach, RouteTable, Visit

_HASHED: Final = re.compile(r"^assets/.+[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
_TEXT: Final = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/manifest+json")
_NOT_BUILT: Final = "The pages are not built yet. Run: make run\n"


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    zipped: bytes | None
    content_type: str
    etag: str
    cache: str


def pages(folder: Path | None) -> RouteTable:
    """Routes of the pages in `folder` as it is now. Without it, a sentence says what to do."""
    files = _read(folder) if folder is not None else {}
    table = RouteTable("pages", prefix="")

    @table.raw("/{path:.*}", right=PUBLIC, reach=Reach.NOBODY, audits="files of the build, the same for everybody")
    async def page(visit: Visit) -> web.StreamResponse:
        """The front end."""
        path = visit.word("path")
        if path.startswith("api/"):
            raise NotFound("not-found", "There is nothing at this address.")
        last = path.rsplit("/", 1)[-1]
        found = files.get(path) or (files.get("index.html") if "." not in last else None)
        if found is None:
            if not files:
                return web.Response(status=503, text=_NOT_BUILT)
            raise NotFound("not-found", "There is nothing at this address.")
        return _send(visit.request, found)

    return table


def _read(folder: Path) -> dict[str, _Page]:
    """All files below the folder, by address; nothing outside it can ever be asked for."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            path = file.relative_to(folder).as_posix()
            body = file.read_bytes()
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            found[path] = _Page(
                body=body,
                zipped=gzip.compress(body, 9, mtime=0) if kind.startswith(_TEXT) and len(body) > 1000 else None,
                content_type=kind,
                etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
                cache="public, max-age=31536000, immutable" if _HASHED.match(path) else "no-cache",
            )
    return found


def _send(request: web.Request, page: _Page) -> web.Response:
    headers = {"Cache-Control": page.cache, "ETag": page.etag, "Vary": "Accept-Encoding"}
    if page.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    body = page.body
    if page.zipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = page.zipped
        headers["Content-Encoding"] = "gzip"
    charset = "utf-8" if page.content_type.startswith(_TEXT) else None
    return web.Response(body=body, headers=headers, content_type=page.content_type, charset=charset)
