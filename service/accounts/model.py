"""Accounts, their roles, sessions, second steps, and failed sign-ins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.rights import Role
from service.keys import Sealed
from service.store.base import NUMBERED_ONCE, Base, CentreId, RowId, words


class Account(Base):
    """Somebody who may sign in. Never deleted: records name who did what; `active` ends it."""

    __tablename__ = "accounts"
    __table_args__ = NUMBERED_ONCE

    id: Mapped[RowId] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)  #: folded to lower case
    display_name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(200))  #: argon2id
    locale: Mapped[str] = mapped_column(String(8), default="fr")
    centre: Mapped[CentreId | None]  #: of the team; none: the national team
    active: Mapped[bool] = mapped_column(default=True)
    made_at: Mapped[datetime]
    role_rows: Mapped[list[AccountRole]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(row.role for row in self.role_rows)


class AccountRole(Base):
    """A role of an account."""

    __tablename__ = "account_roles"

    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[Role] = mapped_column(words(Role), primary_key=True)


class SignedInSession(Base):
    """One sign-in of one browser. The cookie's token is kept as a hash; the phone's password is sealed.

    The token is renewed while it is used; the one before opens until the new one came back, and a little longer, so
    that requests under way and an answer that got lost sign nobody out. Ends by signing out, by being ended from
    elsewhere, or `SESSION_LASTS` after it was last used. No end of a session ends a call: the phone speaks with the
    PBX alone, and is known there until the call is over.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "account_id", "phone_asked_at"), Index(None, "previous_hash"), NUMBERED_ONCE)

    id: Mapped[RowId] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    previous_hash: Mapped[str | None] = mapped_column(String(64))  #: of the token before
    rotated_at: Mapped[datetime | None]  #: when the token was renewed last
    confirmed_at: Mapped[datetime | None]  #: when the new token came back for the first time
    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    made_at: Mapped[datetime]
    used_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  #: kept for a while after, for a phone that is still in a call
    must_enrol: Mapped[bool] = mapped_column(server_default=false())  #: no right but to set up a second step
    phone_password: Mapped[Sealed]
    phone_asked_at: Mapped[datetime | None]  #: the account's phone is the session that asked last
    account: Mapped[Account] = relationship(lazy="joined", innerjoin=True)


class SecondStep(Base):
    """The second step of an account's sign-in: one-time codes by the clock (RFC 6238). Holds once confirmed."""

    __tablename__ = "second_steps"

    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[Sealed]
    made_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default="0")  #: of the last code taken; none is twice


class RecoveryCode(Base):
    """A code that stands in once for a lost telephone. 79 random bits: a plain hash suffices."""

    __tablename__ = "recovery_codes"

    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime | None]


class QueueWish(Base):
    """What a listener last said of a queue: that they want to be rung from it, or not any more (queues/wishes.py)."""

    __tablename__ = "queue_wishes"

    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    queue: Mapped[CentreId] = mapped_column(primary_key=True)
    wanted: Mapped[bool]
    at: Mapped[datetime]


class FailedSignIn(Base):
    """A failed attempt (sign-in, code, own password), for the limit alone: keyed hashes, kept for minutes."""

    __tablename__ = "failed_sign_ins"
    __table_args__ = (Index(None, "username_index", "at"), Index(None, "address_index", "at"), NUMBERED_ONCE)

    id: Mapped[RowId] = mapped_column(primary_key=True)
    username_index: Mapped[str] = mapped_column(String(64))
    address_index: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
