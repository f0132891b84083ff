"""Hundreds of listeners at once: accounts, telephones that are registered, memberships of the queue, sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from sqlalchemy import inspect, select

from pbx.phones import PhoneAccount, write_accounts
from service.accounts.model import Account, AccountRole
from service.accounts.rights import Role
from service.store.engine import Store
from tests.bench import lone_service
from tests.integration.live.line import PASSWORD, LiveLine
from tests.support.sipp import HOST, Phone, Sipp
from tests.support.witness import Witness

REGISTERED_PER_SECOND: Final = 60
#: Attempts that are being looked at count as failed: few at a time.
_SIGN_INS_AT_ONCE: Final = 3


async def _copies(url: str, template: str, names: Sequence[str]) -> dict[str, int]:
    """Listeners who are as `template` is, password included: a hash for each would take the bench its time."""
    store = Store(url)
    async with store.transaction() as session:
        model = await session.scalar(select(Account).where(Account.username == template))
        columns = [column.key for column in inspect(Account).column_attrs if column.key not in {"id", "username"}]
        made = [Account(username=name, **{key: getattr(model, key) for key in columns}) for name in names]
        for account in made:
            account.role_rows = [AccountRole(role=Role.LISTENER)]
        session.add_all(made)
        await session.flush()
        ids = {account.username: account.id for account in made}
    await store.close()
    return ids


def join(line: LiveLine, count: int, folder: Path, *, talk: float = 600.0) -> tuple[dict[str, int], Phone]:
    """So many listeners on one telephone, registered. The service must be stopped: it learns names at its start."""
    names = [f"crowd{n}" for n in range(count)]
    ids = asyncio.run(_copies(line.url, "listener1", names))
    _write_phones(line, folder, list(ids.values()))
    phone = line.phone(talk=talk)
    table = folder / "crowd.csv"
    users = [f"l{account}" for account in ids.values()]
    given = [f"{user};[authentication username={user} password={PASSWORD}]" for user in users]
    table.write_text("\n".join(["SEQUENTIAL", *given, ""]))
    values = {"CONTACT": f"{HOST}:{phone.port}", "EXPIRES": "3600"}
    rate = ["-m", str(count), "-r", str(REGISTERED_PER_SECOND), "-inf", str(table)]
    with Sipp("registers", values, folder, [*rate, f"{HOST}:{line.pbx.ports.sip}"]) as registering:
        if registering.process.wait(60 + count / REGISTERED_PER_SECOND):
            raise RuntimeError(f"the telephones did not register: {registering.errors()[-300:]}")
    return ids, phone


def _write_phones(line: LiveLine, folder: Path, accounts: Sequence[int]) -> None:
    """Beside the service's own file of phones: it writes that anew whenever somebody's page asks for a phone."""
    own = folder / "crowd.conf"
    write_accounts(own, [PhoneAccount(f"l{account}", PASSWORD, "sip") for account in accounts])
    trunk = line.pbx.layout.generated / "pjsip_trunk.conf"
    trunk.write_text(trunk.read_text() + own.read_text())
    line.pbx.console("module reload res_pjsip.so")


def serve(witness: Witness, accounts: Sequence[int]) -> None:
    """These listeners are members of the national queue, as when they signed in to it."""
    for account in accounts:
        phone = f"PJSIP/l{account}"
        member = {"Interface": phone, "StateInterface": phone, "MemberName": f"l{account}"}
        said = witness.ask("QueueAdd", Queue="national", **member)
        assert said["Response"] == "Success", said


def take_a_break(witness: Witness, accounts: Sequence[int]) -> None:
    """These listeners stay signed in, and are not rung."""
    for account in accounts:
        said = witness.ask("QueuePause", Interface=f"PJSIP/l{account}", Paused="true", Reason="break")
        assert said["Response"] == "Success", said


def sign_in(line: LiveLine, names: Sequence[str]) -> list[str]:
    """Cookies of sessions of their own."""
    with ThreadPoolExecutor(_SIGN_INS_AT_ONCE) as threads:
        word = line.passwords["listener1"]
        return list(threads.map(lambda name: lone_service.sign_in(line.http_port, name, word), names))
