"""A single answer, where the service stores as many as there are."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.cases.use_cases import Answer, OpenedContact, open_contacts
from service.keys import Keyring


async def open_contact(session: AsyncSession, keyring: Keyring, *, pbx: str, **answer: Any) -> OpenedContact:
    """`answer`: the fields of `Answer`."""
    (opened,) = await open_contacts(session, keyring, pbx, [Answer(**answer)])
    return opened
