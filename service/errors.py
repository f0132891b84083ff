"""What can go wrong in a use-case: stable kebab-case ids, a sentence that says what to do next, never personal data.

Features raise these; `service/http/errors.py` alone turns them into HTTP answers.
"""

from __future__ import annotations

from collections.abc import Mapping


class ServiceError(Exception):
    """Base of all. `error_id`: stable, kebab-case. `message`: what to do next. `field`: of the body, if it is at fault.

    `details`: further JSON values for the page, put beside `id` and `message`.
    """

    def __init__(
        self, error_id: str, message: str, *, field: str | None = None, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(error_id)
        self.id = error_id
        self.message = message
        self.field = field
        self.details = dict(details or {})


class Unauthenticated(ServiceError):
    """Nobody is signed in, or the name and password do not fit."""


class Forbidden(ServiceError):
    """The signed-in account has no right to it."""


class NotFound(ServiceError):
    """It does not exist, or the account may not know that it exists: the two look the same."""


class Conflict(ServiceError):
    """It fits no longer what is stored: somebody else was first."""


class Unfit(ServiceError):
    """What was sent does not fit; `field` names the place."""


class TooMany(ServiceError):
    """Tried too often; `details["retry_after_seconds"]` says when again."""


class Unavailable(ServiceError):
    """A part that we need (the database, the PBX) does not answer now."""
