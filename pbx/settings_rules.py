"""What is written in Asterisk's files against what may be (settings_data.py). Each deviation is a finding."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from pbx import effective, settings_data
from pbx.dialplan_data import QUEUE_NAMES
from pbx.effective import Section, Setting, Unreadable
from pbx.no_cap import Problem
from pbx.settings_data import FILES, LATER, MODULES, MODULES_REFUSED, NOT_CONFIGURATION, PJSIP, Key, Keys
from pbx.site import PORTS_OF_A_CALL

#: How many files a busy line wants open; a machine that allows fewer is taken as it is, with a warning at the start.
ENOUGH_FILES = 65536
_TRUE, _FALSE = {"yes", "true", "y", "t", "1", "on"}, {"no", "false", "n", "f", "0", "off"}


def problems(etc: Path) -> Iterator[Problem]:
    """Of all files below `etc` but the dialplan."""
    known: set[Path] = set()
    for name in FILES:
        path = etc / name
        if not path.exists() and name in LATER:
            continue
        known |= {path, *effective.files(etc, name)}
        if name == "extensions.conf":
            continue  # dialplan_rules
        try:
            found = effective.sections(etc, name)
        except Unreadable as error:
            yield unreadable(error)
            continue
        yield from pjsip(found) if name == "pjsip.conf" else _file(name, found)
        if more := _MORE.get(name):
            yield from more(found)
    yield from _unknown_files(etc, known)


def unreadable(error: Unreadable) -> Problem:
    return Problem(error.file, error.line, error.rule, f"{error.what}.", "Mend the file; Asterisk would refuse it.")


def _unknown_files(etc: Path, known: set[Path]) -> Iterator[Problem]:
    """Asterisk loads by name what lies in its directory; in a folder only what a file includes."""
    for path in sorted(etc.rglob("*")):
        name = str(path.relative_to(etc))
        loadable = path.parent == etc or path.suffix == ".conf"
        if path.is_file() and loadable and path not in known and name not in NOT_CONFIGURATION:
            if path.name.startswith("."):
                continue  # being written: renamed when whole
            what = "is a file that Asterisk may load" if path.parent == etc else "is included by no file"
            yield Problem(name, 1, "file-unknown", f"{name} {what}.", "Remove it, or add it to the verifier.")


def _file(name: str, found: Iterable[Section]) -> Iterator[Problem]:
    kinds = FILES[name]
    for section in found:
        if section.template:
            continue
        keys = kinds.get(section.name.casefold(), kinds.get("*"))
        if keys is None:
            yield _unknown_section(section)
        else:
            yield from check_section(section, keys)


def _unknown_section(section: Section) -> Problem:
    return Problem(
        section.file, section.line, "section-unknown", f"[{section.name}] is not known to be harmless.",
        "Remove it, or add it to pbx/settings_data.py with its reason.",
    )  # fmt: skip


def check_section(section: Section, keys: Keys) -> Iterator[Problem]:
    """Every setting that is written, and every one that must be."""
    for setting in section.settings:
        key = _key_of(setting.key, keys)
        if key is None:
            yield Problem(
                setting.file, setting.line, "setting-unknown",
                f"[{section.name}] {setting.key} is not known to be harmless.",
                "Remove it, or add it to pbx/settings_data.py with its reason.",
            )  # fmt: skip
        elif key.never:
            yield Problem(
                setting.file, setting.line, key.rule, f"[{section.name}] {setting.key} is set.", "Remove the line."
            )
        elif not fits(setting.value, key):
            yield _wrong(section, setting, key)
    for name, key in keys.items():
        if key.required and not section.all(name):
            yield Problem(
                section.file, section.line, key.rule, f"[{section.name}] {name} is not set.",
                f"Write {name} = {key.says}.",
            )  # fmt: skip


def _key_of(name: str, keys: Keys) -> Key | None:
    plain = name.casefold()
    if plain in keys:
        return keys[plain]
    prefixes = (key for start, key in keys.items() if start.endswith("*") and plain.startswith(start[:-1]))
    return next(prefixes, None)


def fits(value: str, key: Key) -> bool:
    """Asterisk's words for yes and no are all the same; so are blanks after commas."""
    if key.allowed is None:
        return True
    if not value.isascii():
        return False  # what only looks like a blank or a letter is none to Asterisk
    plain = re.sub(r"\s*,\s*", ",", value.strip())
    if isinstance(key.allowed, range):
        return plain.isascii() and plain.isdecimal() and int(plain) in key.allowed
    if isinstance(key.allowed, re.Pattern):
        return bool(key.allowed.fullmatch(plain))
    return any(_same(plain, allowed) for allowed in key.allowed)


def _same(one: str, other: str) -> bool:
    one, other = one.casefold(), other.casefold()
    return one == other or (other == "yes" and one in _TRUE) or (other == "no" and one in _FALSE)


def same_value(loaded: str, written: str) -> bool:
    """What Asterisk shows, and what is written: the same but for its ways to write yes, no and lists."""
    one, other = (re.sub(r"\s*,\s*", ",", text.strip()).casefold() for text in (loaded, written))
    return _same(one, other) or _same(other, one)


def files_allowed() -> int:
    """How many files a process of this machine may open at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return ENOUGH_FILES if hard == resource.RLIM_INFINITY else hard


def _wrong(section: Section, setting: Setting, key: Key) -> Problem:
    # a secret is never told
    value = "not as it must be" if "pass" in setting.key or "secret" in setting.key else repr(setting.value)
    return Problem(
        setting.file, setting.line, key.rule, f"[{section.name}] {setting.key} is {value}.",
        f"Write {setting.key} = {key.says}.",
    )  # fmt: skip


# --- SIP ------------------------------------------------------------------------------------------------------------


def pjsip(found: list[Section]) -> Iterator[Problem]:
    """By type. The trunk is who is known by address or registers; a phone is a browser's or any other."""
    whole = [section for section in found if not section.template]
    trunks = {s.value("endpoint") for s in whole if s.value("type") in {"identify", "registration"}}
    for section in whole:
        kind = kind_of(section, trunks)
        if kind not in PJSIP:
            yield _unknown_section(section)
            continue
        yield from check_section(section, PJSIP[kind])
        if kind == "transport" and section.value("protocol") in {"tcp", "tls"}:
            yield from check_section(
                Section(section.name, section.file, section.line, settings=section.all("tcp_keepalive_enable")),
                {"tcp_keepalive_enable": settings_data.must("transport-keepalive", "yes")},
            )


def kind_of(section: Section, trunks: set[str]) -> str:
    """Which keys a section of pjsip.conf may have."""
    kind = section.value("type").casefold()
    if kind == "endpoint":
        if section.name in trunks:
            return "trunk"
        return "browser" if section.value("webrtc").casefold() in _TRUE else "sip"
    # the carrier's own: it does not register here, and without a way out it has no contact
    return "trunk-aor" if kind == "aor" and (section.all("contact") or section.name in trunks) else kind


# --- what is more than one line ---------------------------------------------------------------------------------------


def _modules(found: list[Section]) -> Iterator[Problem]:
    for setting in (setting for section in found for setting in section.all("load")):
        name = setting.value.removesuffix(".so")
        if name in MODULES_REFUSED or name.startswith("res_ari"):
            sentence, mend = f"{setting.value} can record, cut, park or move a call.", "Remove the line."
            yield Problem(setting.file, setting.line, "module-refused", sentence, mend)
        elif name not in MODULES:
            sentence = f"{setting.value} is not known to be harmless."
            mend = "Remove it, or add it to pbx/settings_data.py with its reason."
            yield Problem(setting.file, setting.line, "module-unknown", sentence, mend)


def _rtp(found: list[Section]) -> Iterator[Problem]:
    for section in (section for section in found if section.name.casefold() == "general"):
        start, end = section.last("rtpstart"), section.last("rtpend")
        if not (start and end and start.value.isdecimal() and end.value.isdecimal()):
            yield Problem(section.file, section.line, "rtp-ports", "The range of ports is not set.", "Write both ends.")
        elif int(end.value) - int(start.value) < 400:
            sentence = f"Ports {start.value} to {end.value} serve {(int(end.value) - int(start.value)) // 4} calls."
            yield Problem(end.file, end.line, "rtp-ports", sentence, "Write rtpend = 400 above rtpstart at least.")


def _maxfiles(found: list[Section]) -> Iterator[Problem]:
    enough = min(ENOUGH_FILES, files_allowed())
    for section in (section for section in found if section.name.casefold() == "options"):
        setting = section.last("maxfiles")
        if setting is None or not setting.value.isdecimal() or int(setting.value) < enough:
            file, line = (setting.file, setting.line) if setting else (section.file, section.line)
            has = setting.value if setting else "not set"
            yield Problem(file, line, "open-files", f"maxfiles is {has}.", f"Write maxfiles = {ENOUGH_FILES} or more.")


def _asterisk(found: list[Section]) -> Iterator[Problem]:
    yield from _maxfiles(found)
    for section in (section for section in found if section.name.casefold() == "directories"):
        # where its console is asked, the files that were looked at are
        root, etc = PurePosixPath(section.value("astrundir")).parent, section.last("astetcdir")
        if etc is None or etc.value != str(root / "etc"):
            file, line = (etc.file, etc.line) if etc else (section.file, section.line)
            sentence = f"[directories] astetcdir is {etc.value if etc else 'not set'}: other files would be loaded."
            yield Problem(file, line, "setting-value", sentence, f"Write astetcdir = {root / 'etc'}.")


def _queues(found: list[Section]) -> Iterator[Problem]:
    names = {section.name for section in found if not section.template}
    for name in sorted({name for name in QUEUE_NAMES.values() if "$" not in name} - names):
        yield Problem("queues.conf", 1, "queue-missing", f"There is no queue [{name}].", f"Write [{name}].")


_MORE: dict[str, Callable[[list[Section]], Iterator[Problem]]] = {
    "modules.conf": _modules, "rtp.conf": _rtp, "asterisk.conf": _asterisk, "queues.conf": _queues,
}  # fmt: skip


def queues_of(etc: Path) -> dict[str, Section]:
    """The queues that the files make, by name. Raises Unreadable."""
    found = effective.sections(etc, "queues.conf")
    return {s.name: s for s in found if not s.template and s.name.casefold() != "general"}


def modules_of(etc: Path) -> set[str]:
    """What modules.conf loads, without `.so`. Raises Unreadable."""
    found = effective.sections(etc, "modules.conf")
    return {s.value.removesuffix(".so") for section in found for s in section.all("load")}


def callers_of(etc: Path) -> int | None:
    """For how many callers and their listeners rtp.conf has audio ports; None: it does not say. Raises Unreadable."""
    general = next((s for s in effective.sections(etc, "rtp.conf") if s.name.casefold() == "general"), None)
    start, end = (general.value(key) if general else "" for key in ("rtpstart", "rtpend"))
    return (int(end) - int(start) + 1) // PORTS_OF_A_CALL if start.isdecimal() and end.isdecimal() else None
