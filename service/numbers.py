"""Telephone numbers as the trunk delivers them, made E.164; nonsense becomes None, that is: anonymous."""

from __future__ import annotations

import threading

import phonenumbers


def normalise(raw: str | None, country: str) -> str | None:
    """E.164 (`+33639980101`) of `0639980101`, `0033639980101` or `+33639980101`; None for what is no number.

    `country`: of the line, `FR`, for numbers delivered in national form.
    """
    if not raw:
        return None
    try:
        number = phonenumbers.parse(raw, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def read_rules(country: str) -> threading.Thread:
    """Have the rules of `country` in memory, and soon those of every other; a thread that ends when they are there.

    The library reads each country's rules when they are first asked for, under a lock that it keeps for ever if the
    file cannot be opened: a service that was out of descriptors for an instant would stand still at the next call.
    """
    phonenumbers.PhoneMetadata.metadata_for_region(country)
    reading = threading.Thread(target=phonenumbers.PhoneMetadata.load_all, name="numbers", daemon=True)
    reading.start()
    return reading
