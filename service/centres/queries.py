"""SQL of centres."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.centres.model import Centre


async def centres(session: AsyncSession) -> Sequence[Centre]:
    """All centres with their coverage, by id."""
    return (await session.scalars(select(Centre).order_by(Centre.id))).all()


async def count(session: AsyncSession) -> int:
    """How many centres there are."""
    return await session.scalar(select(func.count()).select_from(Centre)) or 0
