"""The declarative base and the column types that all models share, the same on SQLite and PostgreSQL.

class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[RowId] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]                        # UTC; a naive one is refused
    status: Mapped[CaseStatus] = mapped_column(words(CaseStatus))
    secret: Mapped[Sealed]                           # only what keys.py sealed
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Integer, LargeBinary, MetaData, String
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

from service.keys import Sealed

_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER PRIMARY KEY

#: A row's own number. Tables that are numbered by it: NUMBERED_ONCE.
RowId = Annotated[int, mapped_column(_BIG)]
#: A PBX id of the settings, `pbx1`.
PbxId = Annotated[str, mapped_column(String(32))]
#: A call's UUID as the dialplan made it.
CallId = Annotated[str, mapped_column(String(36))]
#: A centre's id, `centre-38`.
CentreId = Annotated[str, mapped_column(String(48))]
#: A keyed hash of a telephone number (keys.py), in hexadecimal.
NumberIndex = Annotated[str, mapped_column(String(64))]
#: A keyed hash of one word of a name (keys.py), in hexadecimal.
NameIndex = Annotated[str, mapped_column(String(64))]
#: `info` of columns that are sealed with their case's data key. All other `Sealed` columns are sealed by the keyring,
#: so that a rotation of the master key reaches them.
UNDER_CASE_KEY: Final = {"sealed_with": "case"}
#: `__table_args__` of a table that numbers its rows: no number is given to another row once the first is gone, as the
#: audit trail, logs and people go on naming it. PostgreSQL does that anyway.
NUMBERED_ONCE: Final = {"sqlite_autoincrement": True}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Refuses naive datetimes; gives UTC back. SQLite keeps it as UTC text, PostgreSQL as timestamptz."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SealedBytes(TypeDecorator[Sealed]):
    """Ciphertext from keys.py. Anything else is refused, so that clear text cannot slip into the database."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sealed | None, dialect: Dialect) -> bytes | None:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError("only what keys.py sealed can be stored in this column")
        return None if value is None else bytes(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Sealed | None:
        return None if value is None else Sealed(value)


def words(kind: type[StrEnum], length: int = 32) -> Enum:
    """A closed list of words, stored as text by value (no database enum: adding a word needs no migration)."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
        validate_strings=True,
    )


class Base(DeclarativeBase):
    """Base of every model. Constraints get names by rule, so that migrations can speak of them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime(), Sealed: SealedBytes()}
