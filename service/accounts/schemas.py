"""Signing in, on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.accounts.pause_reasons import PAUSE_REASONS
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.http.fields import Word
from service.http.routing import Wire

Locale = Literal["fr", "en"]
#: what of the trail concerns one's own account: values of audit.model.Action
SecurityAction = Literal[
    "account.changed",
    "account.made",
    "account.returned",
    "code.refused",
    "recovery-code.used",
    "recovery-codes.made",
    "second-step.asked",
    "second-step.removed",
    "second-step.set",
    "sessions.ended",
    "sign-in.refused",
    "signed-in",
    "signed-out",
    "token.replayed",
]
Password = Annotated[str, Field(min_length=1, max_length=500, repr=False)]


class SignInIn(Wire):
    """Name and password; `code` of the second step, or a recovery code, where the account has one."""

    username: Annotated[Word, Field(min_length=1, max_length=120)]
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


class NewCodesIn(OwnPasswordIn, CodeIn):
    """One's password, and what the telephone shows now."""


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


class SecurityEvent(Wire):
    """`what`: of the audit trail. `by_me`: done by the account itself; else by an administrator or the service."""

    at: datetime
    what: SecurityAction
    by_me: bool


class EventsOut(Wire):
    """The newest first. `refused`: sign-ins that were refused in the last `days`, those that are on the trail."""

    days: int
    refused: int
    events: list[SecurityEvent]


class EndedOut(Wire):
    """How many sessions ended."""

    ended: int


class Me(Wire):
    """Who is signed in. `listener`: may take calls, or finishes the one that they are in. `must_enrol`: a role of
    theirs asks for a second step first. `ended`: the account was closed; what is left is the contact that they are in.
    """

    account_id: int
    username: str
    display_name: str
    roles: list[Role]
    locale: Locale
    centre: str | None
    listener: bool
    must_enrol: bool
    ended: bool
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
        listener=viewer.listens,
        must_enrol=viewer.must_enrol,
        ended=viewer.ended,
        pause_reasons=_REASONS,
    )
