"""Telephone numbers as the trunk delivers them, made E.164; nonsense becomes None, that is: anonymous."""

from __future__ import annotations

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
