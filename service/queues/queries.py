"""SQL of what listeners want of the queues."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.model import QueueWish
from service.store.sql import insert_once


async def wishes(session: AsyncSession) -> dict[tuple[int, str], tuple[bool, datetime]]:
    """(account, queue) → whether they want to be rung from it, and when they said so."""
    rows = await session.scalars(select(QueueWish))
    return {(row.account_id, row.queue): (row.wanted, row.at) for row in rows}


async def put_wishes(session: AsyncSession, said: Mapping[tuple[int, str], tuple[bool, datetime]]) -> None:
    """The latest word of each."""
    for (account_id, queue), (wanted, at) in said.items():
        row = {"account_id": account_id, "queue": queue, "wanted": wanted, "at": at}
        if not await insert_once(session, QueueWish, [row], keys=["account_id", "queue"]):
            of_it = (QueueWish.account_id == account_id, QueueWish.queue == queue)
            await session.execute(update(QueueWish).where(*of_it).values(wanted=wanted, at=at))
