"""The accounts of the listeners' phones: a generated file, written whole, put in place by rename, never empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pbx import conf
from pbx.errors import SetupError

_ENDPOINT = conf.Form(r"[a-z][a-z0-9-]{0,40}", "lower-case letters, digits and hyphens, a letter first")


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """`endpoint`: `l<account id>`. `kind`: the page's own phone, or any other SIP phone."""

    endpoint: str
    password: str
    kind: Literal["browser", "sip"] = "browser"


def write_accounts(path: Path, accounts: Sequence[PhoneAccount]) -> None:
    """Replace the accounts file. Asterisk takes it over at the next reload of res_pjsip; calls go on.

    An empty list is refused: Asterisk would forget every phone at once, those in a conversation too.
    """
    if not accounts:
        raise SetupError(
            "no-phone-accounts",
            "A file of phone accounts without any account would silence every phone.",
            "Keep at least one account.",
        )
    conf.write(path, "".join(_section(account) for account in accounts))


def _section(account: PhoneAccount) -> str:
    name = conf.matching(_ENDPOINT, account.endpoint, "endpoint of a phone")
    return (
        f"[{name}]({account.kind}-phone)\naors = {name}\nauth = {name}\n"
        f"[{name}]({account.kind}-aor)\n"
        f"[{name}](phone-auth)\nusername = {name}\npassword = {conf.value(account.password, 'password of a phone')}\n\n"
    )
