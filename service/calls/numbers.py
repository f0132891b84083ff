"""The caller's number: opened here from the token that the PBX made of it, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from service.calls.model import NumberKind
from service.keys import CallerKeyRing
from service.numbers import normalise

_WITHHELD = "withheld"
_NONE = frozenset({"none", "nokey", ""})


@dataclass(frozen=True, slots=True, repr=False)
class OpenedNumber:
    """`number`: E.164 where `kind` is given, else None. Never printed."""

    kind: NumberKind
    number: str | None = None


@dataclass(frozen=True, slots=True)
class CallerNumbers:
    """`country`: of the line, for numbers delivered in national form."""

    keys: CallerKeyRing
    country: str

    def open(self, token: str) -> OpenedNumber:
        """`token`: of CallEntered."""
        if token == _WITHHELD:
            return OpenedNumber(NumberKind.WITHHELD)
        if token in _NONE:
            return OpenedNumber(NumberKind.NONE)
        raw = self.keys.open_token(token)
        if raw is None:
            return OpenedNumber(NumberKind.UNREADABLE)
        number = normalise(raw, self.country)
        return OpenedNumber(NumberKind.NONE) if number is None else OpenedNumber(NumberKind.GIVEN, number)
