"""Signing in, on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.accounts.pause_reasons import PAUSE_REASONS
from service.accounts.rights import Right, Role
from service.accounts.viewer import Viewer
from service.http.routing import Wire

Locale = Literal["fr", "en"]
Password = Annotated[str, Field(min_length=1, max_length=500, repr=False)]


class SignInIn(Wire):
    """Name and password; `code` of the second step, or a recovery code, where the account has one."""

    username: Annotated[str, Field(min_length=1, max_length=120)]
    password: Password
    code: Annotated[str | None, Field(min_length=1, max_length=40, repr=False)] = None


class PreferencesIn(Wire):
    """What somebody may set for themselves."""

    locale: Locale


class PauseReasonOut(Wire):
    """Why a listener may pause."""

    key: str
    label_fr: str
    label_en: str


class OwnPasswordIn(Wire):
    """Asked again before what a stolen session must not do."""

    password: Password


class CodeIn(Wire):
    """What the telephone shows now."""

    code: Annotated[str, Field(min_length=6, max_length=12, repr=False)]


class SecondStepOut(Wire):
    """`required`: a role asks for it, so that it cannot be removed."""

    on: bool
    required: bool
    recovery_codes_left: int


class EnrolmentOut(Wire):
    """For the telephone: `picture` is SVG path data, `size` units wide and high. Holds once a code was confirmed."""

    secret: Annotated[str, Field(repr=False)]
    uri: Annotated[str, Field(repr=False)]
    picture: Annotated[str, Field(repr=False)]
    size: int


class RecoveryCodesOut(Wire):
    """Shown once; each stands in once for the telephone."""

    codes: Annotated[list[str], Field(repr=False)]


class SessionOut(Wire):
    """One of one's own sign-ins. `here`: of this browser. `phone`: the account's phone is this session's."""

    session_id: int
    made_at: datetime
    used_at: datetime
    here: bool
    phone: bool


class SessionsOut(Wire):
    """The last used first."""

    sessions: list[SessionOut]


class EndedOut(Wire):
    """How many sessions ended."""

    ended: int


class Me(Wire):
    """Who is signed in. `listener`: may take calls. `must_enrol`: a role of theirs asks for a second step first."""

    account_id: int
    username: str
    display_name: str
    roles: list[Role]
    locale: Locale
    centre: str | None
    listener: bool
    must_enrol: bool
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
        listener=viewer.may(Right.TAKE_CALLS),
        must_enrol=viewer.must_enrol,
        pause_reasons=_REASONS,
    )
