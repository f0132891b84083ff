"""Signing in, on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.accounts.pause_reasons import PAUSE_REASONS
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.http.routing import Wire

Locale = Literal["fr", "en"]


class SignInIn(Wire):
    """Name and password."""

    username: Annotated[str, Field(min_length=1, max_length=120)]
    password: Annotated[str, Field(min_length=1, max_length=500, repr=False)]


class PreferencesIn(Wire):
    """What somebody may set for themselves."""

    locale: Locale


class PauseReasonOut(Wire):
    """Why a listener may pause."""

    key: str
    label_fr: str
    label_en: str


class Me(Wire):
    """Who is signed in. `listener`: may take calls."""

    account_id: int
    username: str
    display_name: str
    roles: list[Role]
    locale: Locale
    centre: str | None
    listener: bool
    pause_reasons: list[PauseReasonOut]


_REASONS = [
    PauseReasonOut(key=reason.key, label_fr=reason.label_fr, label_en=reason.label_en) for reason in PAUSE_REASONS
]


def me(viewer: Viewer, locale: str | None = None) -> Me:
    """What the page gets of the signed-in account."""
    return Me(
        account_id=viewer.account_id,
        username=viewer.username,
        display_name=viewer.display_name,
        roles=sorted(viewer.roles),
        locale="en" if (locale or viewer.locale) == "en" else "fr",
        centre=viewer.centre,
        listener=Role.LISTENER in viewer.roles,
        pause_reasons=_REASONS,
    )
