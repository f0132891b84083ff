"""Tables that belong to the store itself: keys, sealed; which master key seals now, and which processes know it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
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
    """One row: which master key seals what is new (fingerprints, which tell nothing about the key).

    `next_fingerprint`: of the key that a rotation has made, and that not every process knows yet.
    """

    __tablename__ = "master_key_mark"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str] = mapped_column(String(64))
    next_fingerprint: Mapped[str | None] = mapped_column(String(64))


class StoredKey(Base):
    """A key that hashes (blind indexes, audit chain, sign-in attempts): made once, sealed, never changed."""

    __tablename__ = "stored_keys"

    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    sealed: Mapped[Sealed]


class KeyHolder(Base):
    """A process of the service that runs, and which master keys it has: a key that one lacks seals nothing yet."""

    __tablename__ = "key_holders"

    process: Mapped[str] = mapped_column(String(36), primary_key=True)  #: a UUID, made at its start
    machine: Mapped[str] = mapped_column(String(255))  #: host name, for the administrator who has to copy a key
    knows: Mapped[str] = mapped_column(Text)  #: ids of master keys, a blank between
    seals_with: Mapped[str] = mapped_column(String(8))
    seen_at: Mapped[datetime]
