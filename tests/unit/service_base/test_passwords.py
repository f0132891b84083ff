"""Passwords: strong, slow to guess, readable on paper."""

from __future__ import annotations

from argon2 import PasswordHasher, Type, extract_parameters

from service.accounts import passwords


async def test_passwords_are_hashed_with_argon2id_at_full_cost() -> None:
    stored = await passwords.hashed("k7mpq-abcde")
    parameters = extract_parameters(stored)
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost) >= (65_536, 3)
    assert await passwords.fits("k7mpq-abcde", stored)
    assert not await passwords.fits("k7mpq-abcdf", stored)
    assert not passwords.outdated(stored)


async def test_an_account_that_does_not_exist_fits_no_password() -> None:
    assert not await passwords.fits("anything", None)
    assert not await passwords.fits("anything", "no hash")


def test_an_older_cheaper_hash_is_outdated() -> None:
    assert passwords.outdated(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("a"))


def test_random_passwords_differ_and_have_no_look_alikes() -> None:
    made = {passwords.random_password() for _ in range(200)}
    assert len(made) == 200
    assert not set("".join(made)) & set("01ilo")
    assert all(len(password.replace("-", "")) == 20 for password in made)
