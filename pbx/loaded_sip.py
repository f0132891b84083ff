"""The endpoints, addresses of record and transports that are loaded, against the files and the static rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pbx import effective
from pbx.dialplan_data import READ_BY_ASTERISK
from pbx.effective import Section
from pbx.no_cap import Problem
from pbx.settings_data import PJSIP
from pbx.settings_rules import fits, kind_of, same_value

Tables = Mapping[str, Mapping[str, Mapping[str, str]]]

#: What an endpoint says of settings that must not be written: Asterisk's own defaults.
UNSET = {
    "one_touch_recording": "no", "device_state_busy_at": "0", "rtp_keepalive": "0", "redirect_method": "user",
    "max_audio_streams": "1",
}  # fmt: skip
#: Of a PBX that answered: what it said is not what this version of the verifier can read.
_UNREAD = "Ask it on its console; if it answers there, this version of Asterisk is not one that we know."
_MEND = "Reload res_pjsip once the files pass; transports are read at the start only."


def unread(pbx: str, what: str) -> Problem:
    """An answer that is none: nothing found in it is no proof."""
    return Problem(f"{pbx}: runs", 0, "loaded-unseen", f"{pbx} did not tell {what}.", _UNREAD)


def sip(etc: Path, tables: Tables, settings: Mapping[str, str], pbx: str) -> Iterator[Problem]:
    """`tables`: kind → name → setting → value. `settings`: of [global]."""
    try:
        found = [s for s in effective.sections(etc, "pjsip.conf") if not s.template]
    except effective.Unreadable:
        return
    trunks = {s.value("endpoint") for s in found if s.value("type") in {"identify", "registration"}}
    for kind, loaded in tables.items():
        written = {s.name: s for s in found if s.value("type").casefold() == kind}
        for name in sorted(written.keys() ^ loaded.keys()):
            what = "loaded and in no file" if name in loaded else "in the files and not loaded"
            yield Problem(f"{pbx}: {kind} {name}", 0, "loaded-endpoint", f"{name} is {what}.", _MEND)
        for name in sorted(written.keys() & loaded.keys()):
            if not loaded[name]:
                yield unread(pbx, f"how the {kind} {name} is set")
            yield from _one(f"{pbx}: {kind} {name}", written[name], loaded[name], kind_of(written[name], trunks))
    if not settings:
        yield unread(pbx, "how SIP is set")
    for section in (s for s in found if s.value("type").casefold() == "global"):
        yield from _one(f"{pbx}: global", section, settings, "global")


def _one(place: str, section: Section, loaded: Mapping[str, str], kind: str) -> Iterator[Problem]:
    keys = PJSIP.get(kind, {})
    written = {setting.key.casefold(): setting.value for setting in section.settings}
    for name, value in loaded.items():
        key = keys.get(name)
        if key is not None and key.required and not fits(value, key):
            yield Problem(place, 0, "loaded-endpoint", f"{name} is {value!r}, not {key.says}.", _MEND)
        elif key is not None and key.rule != "setting-value" and not same_value(value, written.get(name, value)):
            sentence = f"{name} is {value!r}; the file says {written[name]!r}."
            yield Problem(place, 0, "loaded-endpoint", sentence, _MEND)
        elif kind in {"trunk", "browser", "sip"}:
            yield from _unwritten(place, name, value)


def _unwritten(place: str, name: str, value: str) -> Iterator[Problem]:
    if name in UNSET and value != UNSET[name]:
        yield Problem(place, 0, "loaded-endpoint", f"{name} is {value!r}, not {UNSET[name]}.", _MEND)
    elif re.fullmatch(READ_BY_ASTERISK, name):
        yield Problem(place, 0, "loaded-endpoint", f"set_var gives every call {name}.", _MEND)
