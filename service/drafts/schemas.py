"""Drafts in browsers, on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.http.routing import Wire


class DraftKeeping(Wire):
    """`secret`: this account's half of the key (base64), for the page's memory alone: without it, and so without
    signing in, nothing opens what the browser keeps. `keep_days`: how long a draft waits there for its owner.
    """

    secret: Annotated[str, Field(repr=False)]
    keep_days: int
