"""Kinds of fields that several features take in: what the database can hold, and no more."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import Field

_LAST_ROW: Final = 2**63 - 1
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)

#: The number of a row.
RowId = Annotated[int, Field(ge=1, le=_LAST_ROW)]
#: How far something was counted: 0 is before the first.
Count = Annotated[int, Field(ge=0, le=_LAST_ROW)]
#: Text that the database reads as it is: PostgreSQL has none with a NUL. What is sealed first (notes, names) may hold
#: one: nothing that a listener typed is refused for it.
Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]
#: A day on which a line may have been there: further off, time zones have no room.
Day = Annotated[date, Field(ge=_FIRST_DAY, le=_LAST_DAY)]
#: The same for an instant.
Instant = Annotated[
    datetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), le=datetime(2200, 12, 31, 23, 59, 59, tzinfo=UTC))
]
