"""Accounts, their roles, sessions, and failed sign-ins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.accounts.rights import Role
from service.keys import Sealed
from service.store.base import Base, CentreId, RowId, words


class Account(Base):
    """Somebody who may sign in. Never deleted: records name who did what; `active` ends it."""

    __tablename__ = "accounts"

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

    Ends by signing out, or `SESSION_LASTS` after it was last used. No end of a session ends a call: the phone speaks
    with the PBX alone.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "account_id", "phone_asked_at"),)

    id: Mapped[RowId] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[RowId] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    made_at: Mapped[datetime]
    used_at: Mapped[datetime]
    phone_password: Mapped[Sealed]
    phone_asked_at: Mapped[datetime | None]  #: the account's phone is the session that asked last
    account: Mapped[Account] = relationship(lazy="joined", innerjoin=True)


class FailedSignIn(Base):
    """A failed sign-in, for the rate limit alone: name and address as keyed hashes, kept for minutes."""

    __tablename__ = "failed_sign_ins"
    __table_args__ = (Index(None, "username_index", "at"), Index(None, "address_index", "at"))

    id: Mapped[RowId] = mapped_column(primary_key=True)
    username_index: Mapped[str] = mapped_column(String(64))
    address_index: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
