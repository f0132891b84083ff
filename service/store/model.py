"""Tables that belong to the store itself: sealed caller keys, and which master key the store belongs to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.keys import Sealed
from service.store.base import Base, PbxId


class CallerKey(Base):
    """A key with which a PBX encrypts, or encrypted, callers' numbers."""

    __tablename__ = "caller_keys"
    __table_args__ = (Index(None, "pbx", "made_at"),)

    key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    pbx: Mapped[PbxId]
    sealed: Mapped[Sealed]
    made_at: Mapped[datetime]


class MasterKeyMark(Base):
    """One row: the fingerprint of the master key that sealed what is in this store."""

    __tablename__ = "master_key_mark"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str] = mapped_column(String(64))
