"""The record of a call, and the facts that it is folded from."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from pbx.facts import EndedBy, Stage
from service.keys import Sealed
from service.store.base import Base, CallId, CentreId, NumberIndex, PbxId, words


class Result(StrEnum):
    """What became of a call. "Answered" means bridged to a person."""

    ANSWERED = "answered"  # by a listener (whatever followed)
    CENTRE = "centre"  # by a centre alone
    ABANDONED = "abandoned"  # the caller left first
    CLOSED = "closed"  # heard that the line is closed
    FAULT = "fault"  # cut before an answer, by a fault or by the system: never to happen


class Reason(StrEnum):
    """How it came to that: how a conversation ended, or what was going on for a caller who left (exits.py)."""

    LISTENER_ENDED = "listener-ended"
    CALLER_ENDED = "caller-ended"
    CENTRE_ENDED = "centre-ended"
    LEFT_AFTER_LOSS = "left-after-loss"
    LEFT_WELCOME = "left-welcome"
    LEFT_WAITING = "left-waiting"
    LEFT_RINGING = "left-ringing"
    LEFT_ASKED = "left-asked"
    LEFT_CENTRE_RINGING = "left-centre-ringing"
    LEFT_AFTER_CENTRE = "left-after-centre"
    NOTICE_HEARD = "notice-heard"
    LEFT_NOTICE = "left-notice"
    ENDED_UNHEARD = "ended-unheard"
    PBX_DIED = "pbx-died"
    SYSTEM = "system"


class NumberKind(StrEnum):
    """What came with the call instead of a number that we could use, or that one came."""

    GIVEN = "given"
    WITHHELD = "withheld"  # hidden on purpose: respected
    NONE = "none"  # there was none, or nonsense
    UNREADABLE = "unreadable"  # encrypted with a key that is gone


class Call(Base):
    """A pure fold over the call's facts, plus the caller's number, encrypted. Times: the PBX's clock."""

    __tablename__ = "calls"
    __table_args__ = (Index("ix_calls_arrived_at", "arrived_at"), Index("ix_calls_pbx_ended_at", "pbx", "ended_at"))

    pbx: Mapped[PbxId] = mapped_column(primary_key=True)
    call_id: Mapped[CallId] = mapped_column(primary_key=True, index=True)
    line: Mapped[str] = mapped_column(String(16), default="")  #: E.164 dialled
    arrived_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]  #: first bridged to a person
    ended_at: Mapped[datetime | None]
    result: Mapped[Result | None] = mapped_column(words(Result))  #: None while it is open and unanswered
    reason: Mapped[Reason | None] = mapped_column(words(Reason))  #: None while it is open; pairs: exits.py
    ended_by: Mapped[EndedBy | None] = mapped_column(words(EndedBy))
    ended_stage: Mapped[Stage | None] = mapped_column(words(Stage))
    listener_id: Mapped[int | None] = mapped_column(BigInteger)  #: account of the last listener who talked
    wait_seconds: Mapped[float | None]  #: from the first queue to the first person, or to the end; None: never queued
    waiting_seconds: Mapped[float | None]  #: with nobody, from the first queue on; None: open, never queued, or old
    talk_seconds: Mapped[float | None]  #: all conversations; None: open, never answered, or recorded before it was kept
    visits: Mapped[int] = mapped_column(server_default="0")  #: times that the caller came into the national queue
    overflows: Mapped[int] = mapped_column(server_default="0")  #: times that they were taken out to be offered a centre
    overflows_answered: Mapped[int] = mapped_column(server_default="0")  #: of them, answered by a centre
    centre: Mapped[CentreId | None]  #: the last centre that answered
    department: Mapped[str | None] = mapped_column(String(3))  #: keyed by the caller
    number_kind: Mapped[NumberKind] = mapped_column(words(NumberKind), default=NumberKind.NONE)
    number_index: Mapped[NumberIndex | None] = mapped_column(index=True)
    number: Mapped[
        Sealed | None
    ]  #: context `call:<call_id>:number`; until a contact takes it over, under its case's key


class StoredFact(Base):
    """One fact about a call. The key is the same live and from the PBX's journal: stored twice, it is stored once."""

    __tablename__ = "call_facts"

    pbx: Mapped[PbxId] = mapped_column(primary_key=True)
    call_id: Mapped[CallId] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(24), primary_key=True)
    ordinal: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class JournalPosition(Base):
    """Where to read a PBX's journal from after a gap: no call that began before it is still open or unstored.

    Callers' tokens before it are overwritten in the journal, so far up to `purged_offset` of the file `purged_inode`.
    `began`, `purged_began`: which file that is (pbx/journal_file.py).
    """

    __tablename__ = "journal_positions"

    pbx: Mapped[PbxId] = mapped_column(primary_key=True)
    inode: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    committed_at: Mapped[datetime]
    purged_inode: Mapped[int] = mapped_column(BigInteger, server_default="0")
    purged_offset: Mapped[int] = mapped_column(BigInteger, server_default="0")
    began: Mapped[int] = mapped_column(BigInteger, server_default="0")
    purged_began: Mapped[int] = mapped_column(BigInteger, server_default="0")


class QueueLogPosition(Base):
    """Up to where a PBX's queue_log was held against the books: no call before it is still to be compared."""

    __tablename__ = "queue_log_positions"

    pbx: Mapped[PbxId] = mapped_column(primary_key=True)
    inode: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    began: Mapped[int] = mapped_column(BigInteger)
    committed_at: Mapped[datetime]
