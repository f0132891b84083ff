"""A store with something in every sealed column, for the tests of the master key's rotation."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from service.accounts.model import SignedInSession
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.audit.chain import verify
from service.calls.model import Call
from service.calls.use_cases import number_context
from service.cases.model import Case, CaseNumber, Contact
from service.cases.use_cases import number_context as case_number_context
from service.keys import load_keyring
from service.store.engine import Store
from service.store.model import CallerKey
from service.store.secrets import load_caller_keys, open_keys, rotate_caller_key
from tests.integration.store.conftest import NOW
from tests.support.contacts import open_contact

NUMBER = "+33639980101"


def nobody(_: str) -> None:
    """Progress that nobody reads."""


async def fill(store: Store, data_dir: Path, cases: int = 3) -> None:
    """Something in every sealed column."""
    keyring = await open_keys(store, data_dir)
    async with store.transaction() as session:
        account = await make_account(
            session, keyring, username="camille", display_name="Camille", roles={Role.LISTENER}, at=NOW
        )
        await rotate_caller_key(session, keyring, await load_caller_keys(session, keyring), pbx="pbx1", at=NOW)
        sealed = keyring.seal("secret of a phone", f"phone:{account.account_id}")
        session.add(
            SignedInSession(
                token_hash="0", account_id=account.account_id, made_at=NOW, used_at=NOW, phone_password=sealed
            )
        )
        for n in range(cases):
            call_id = f"call-{n}"
            session.add(Call(pbx="pbx1", call_id=call_id, line="+33199003133", arrived_at=NOW))
            await session.flush()
            row = await session.get_one(Call, ("pbx1", call_id))
            row.number = keyring.seal(NUMBER, number_context(call_id))
            row.number_index = keyring.blind_index(NUMBER)
            opened = await open_contact(
                session,
                keyring,
                pbx="pbx1",
                call_id=call_id,
                account_id=account.account_id,
                number=NUMBER,
                line="+33199003133",
                at=NOW,
            )
            contact = await session.get_one(Contact, opened.contact_id)
            case = await session.get_one(Case, opened.case_id)
            assert case.wrapped_key is not None
            contact.notes = keyring.unwrap(case.wrapped_key).seal(f"note {n}", f"contact:{contact.id}:notes")


async def all_opens(store: Store, data_dir: Path) -> int:
    """Everything opens with the keys that lie there, the chain holds, a number is found; how many cases there are."""
    keyring = load_keyring(data_dir, create=False)
    found = await open_keys(store, data_dir)
    assert found.known == keyring.known or set(found.known) == set(keyring.known)
    async with store.reading() as session:
        assert len((await session.scalars(select(CallerKey))).all()) >= 1
        await load_caller_keys(session, found)
        for signed_in in await session.scalars(select(SignedInSession)):
            assert found.open(signed_in.phone_password, f"phone:{signed_in.account_id}") == "secret of a phone"
        for call in await session.scalars(select(Call).where(Call.number.is_not(None))):
            assert call.number is not None
            assert found.open(call.number, number_context(call.call_id)) == NUMBER
            assert call.number_index == found.blind_index(NUMBER)
        cases = (await session.scalars(select(Case))).all()
        for case in cases:
            assert case.wrapped_key is not None
            key = found.unwrap(case.wrapped_key)
            number = (await session.scalars(select(CaseNumber).where(CaseNumber.case_id == case.id))).one()
            assert key.open(number.sealed, case_number_context(case.id)) == NUMBER
            contact = (await session.scalars(select(Contact).where(Contact.case_id == case.id))).one()
            if contact.notes is not None:
                assert key.open(contact.notes, f"contact:{contact.id}:notes").startswith("note")
    chain = await verify(store, found)
    assert chain.entries >= 1
    assert chain.broken_at is None
    return len(cases)


def key_files(data_dir: Path) -> set[str]:
    return {path.name for path in (data_dir / "secrets").glob("master*.key")}
