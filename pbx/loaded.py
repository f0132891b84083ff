"""What a PBX that runs has loaded, against its own files and the static rules; and every channel in it.

    problems = loaded.check(layout.etc, await loaded.look(...), "pbx1")

Asterisk shows of a queue its maximum, strategy, weight and members, but not joinempty, leavewhenempty, autopause and
their like. For those the files stand, which is why no file may have changed since Asterisk read it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pbx import actions, console, effective, parse_loaded, settings_rules
from pbx.actions import Account, Action
from pbx.effective import Section
from pbx.errors import START_AGAIN
from pbx.layout import Layout
from pbx.loaded_sip import sip, unread
from pbx.no_cap import Problem
from pbx.protocol import EventStream
from pbx.replies import NotConnected, OutcomeUnknown
from pbx.session import LoginFailed, Session

#: Written while the PBX runs, and followed by a reload; every other file is written before it starts.
RELOADED = {"generated/pjsip_phones.conf", "generated/queues.conf", "generated/hours.conf"}
#: Set by the service, not by a file.
GLOBALS_OF_THE_SERVICE = {"SERVICE_HEARTBEAT", "CLOCK_ANCHOR", "CLOCK_SET"}
BACKLOG = 450
_SIP = {"endpoint": "Endpoint", "aor": "Aor", "transport": "Transport"}


class Unseen(Exception):
    """The PBX did not answer. `reason`: a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Seen:
    """What was asked and answered. `at`: epoch seconds when it had said since when it runs."""

    at: float
    channels: list[str]
    dialplan: list[str]
    queues: list[str]
    console: dict[str, str] = field(default_factory=dict)
    sip: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)  #: kind → name → its table


def runs(layout: Layout) -> bool:
    """Whether an Asterisk answers on the console of this data directory, in whichever container it is."""
    try:
        console_says(layout, "core show uptime seconds")
    except console.ConsoleError:
        return False
    return True


async def look(layout: Layout, host: str, port: int, secret: str) -> Seen:
    """Ask the PBX. Only looks. Raises Unseen."""
    lists = await _ask_manager(host, port, secret)
    try:
        uptime = console_says(layout, "core show uptime seconds")
        seen = Seen(time.time(), *lists)  # not before: files that were read would look changed
        seen.console = {
            "uptime": uptime,
            "settings": console_says(layout, "core show settings"),
            "task processors": console_says(layout, "core show taskprocessors"),
            "modules": console_says(layout, "module show"),
            "globals": console_says(layout, "dialplan show globals"),
            "queues": console_says(layout, "queue show"),
            "sip": console_says(layout, "pjsip show settings"),
        }
        for kind, title in _SIP.items():
            seen.sip[kind] = {
                name: parse_loaded.table(console_says(layout, f"pjsip show {kind} {name}"))
                for name in parse_loaded.names(console_says(layout, f"pjsip show {kind}s"), title)
            }
    except console.ConsoleError:
        raise Unseen("its console does not answer") from None
    return seen


def console_says(layout: Layout, command: str) -> str:
    """The one place from which the verifier asks the console: `code_rules.CONSOLE` holds what it may ask."""
    return console.ask(layout.control_socket, command)


async def _ask_manager(host: str, port: int, secret: str) -> tuple[list[str], list[str], list[str]]:
    session = Session(
        host=host, port=port, username=Account.SERVICE, secret=secret, events=False, stream=EventStream(),
        clock=time.time,
    )  # fmt: skip
    try:
        await session.open()
        return (
            await _list(session, actions.list_legs()),
            await _list(session, actions.list_dialplan()),
            await _list(session, actions.list_members()),
        )
    except LoginFailed as error:
        raise Unseen(f"its manager interface: {error.reason}") from None
    except (NotConnected, OutcomeUnknown):
        raise Unseen("its manager interface does not answer") from None
    finally:
        await session.goodbye()


async def _list(session: Session, action: Action) -> list[str]:
    answer, items = await session.ask(action, session.timing.listing)
    if not answer.success:
        raise Unseen(f"{action.word}: {answer.message}")
    return items


def check(etc: Path, seen: Seen, pbx: str) -> list[Problem]:
    """What differs from the files below `etc`, or breaks a rule. `pbx`: the id that findings are named by."""
    return [
        *_channels(seen, pbx),
        *_dialplan(etc, seen, pbx),
        *_queues(etc, seen, pbx),
        *sip(etc, seen.sip, parse_loaded.table(seen.console["sip"]), pbx),
        *_modules(etc, seen, pbx),
        *_core(seen, pbx),
        *_globals(etc, seen, pbx),
        *_files(etc, seen, pbx),
    ]


def _channels(seen: Seen, pbx: str) -> Iterator[Problem]:
    for leg in filter(None, map(parse_loaded.channel, seen.channels)):
        if leg.hung_up_at != 0:
            at = datetime.fromtimestamp(leg.hung_up_at, UTC).isoformat() if leg.hung_up_at > 0 else "an unknown time"
            sentence = f"Call {leg.call_id or 'without an id'} would be hung up on at {at}."
            # AMI AbsoluteTimeout refuses 0: only the function takes a limit away
            mend = (
                f"Take it away now, on the console: module load func_timeout.so; dialplan set chanvar {leg.name} "
                "TIMEOUT(absolute) 0; module unload func_timeout.so."
            )
            yield Problem(f"{pbx}: channel {leg.name}", 0, "loaded-time-limit", sentence, mend)


def _dialplan(etc: Path, seen: Seen, pbx: str) -> Iterator[Problem]:
    try:
        plan = effective.dialplan(etc)
    except effective.Unreadable:
        return  # the static layer says so
    written = {
        (p.context, p.exten, p.number): (p.label, p.app, p.args) for p in reversed(plan.priorities) if p.app != "hint"
    }
    lines = {(p.context, p.exten, p.number): p for p in reversed(plan.priorities)}
    loaded = {}
    for line in filter(None, map(parse_loaded.line, seen.dialplan)):
        if line.what:
            sentence = f"[{line.context}] has {line.what} {line.args}, which is in no file."
            yield Problem(f"{pbx}: dialplan {line.context}", 0, "loaded-dialplan", sentence, "`dialplan reload`.")
        else:
            loaded[line.context, line.exten, line.number] = (line.label, line.app, line.args)
    for key in sorted(loaded.keys() | written.keys()):
        if loaded.get(key) == written.get(key):
            continue
        place = ",".join(map(str, key))
        if key not in written:
            _, app, args = loaded[key]
            sentence = f"{place} is loaded as {app}({args}), and is in no file."
            yield Problem(f"{pbx}: dialplan {place}", 0, "loaded-dialplan", sentence, "`dialplan reload`.")
        else:
            what = f"loaded as {loaded[key][1]}({loaded[key][2]})" if key in loaded else "not loaded"
            sentence = f"{place} is {what}; the file says {written[key][1]}({written[key][2]})."
            yield Problem(lines[key].file, lines[key].line, "loaded-dialplan", sentence, "`dialplan reload`.")


def _queues(etc: Path, seen: Seen, pbx: str) -> Iterator[Problem]:
    try:
        written = settings_rules.queues_of(etc)
    except effective.Unreadable:
        return
    loaded = {found.name: found for found in filter(None, map(parse_loaded.queue, seen.queues))}
    mend = "`queue reload all`, once the files pass."
    for name in sorted(written.keys() ^ loaded.keys()):
        what = "loaded and in no file" if name in loaded else "in the files and not loaded"
        yield Problem(f"{pbx}: queue {name}", 0, "loaded-queue", f"The queue {name} is {what}.", mend)
    for name in sorted(written.keys() & loaded.keys()):
        found = loaded[name]
        wanted = {"maximum": "0", "strategy": written[name].value("strategy") or "ringall", "weight": "0"}
        for what, value in wanted.items():
            if getattr(found, what) != value:
                sentence = f"The queue {name} has {what} {getattr(found, what)}, not {value}."
                yield Problem(f"{pbx}: queue {name}", 0, "loaded-queue", sentence, mend)
    for member in filter(None, map(parse_loaded.member, seen.queues)):
        for what, value in (("membership", "dynamic"), ("wrapup", "0")):
            if getattr(member, what) not in {value, ""}:
                sentence = f"{member.interface} serves {member.queue} with {what} {getattr(member, what)}, not {value}."
                yield Problem(f"{pbx}: queue {member.queue}", 0, "loaded-queue", sentence, mend)
        if not member.interface.startswith("PJSIP/"):
            sentence = f"{member.interface} serves {member.queue}: only PJSIP phones keep their caller."
            yield Problem(f"{pbx}: queue {member.queue}", 0, "loaded-queue", sentence, "Remove the member.")
    for queue, name in parse_loaded.rung_in_use(seen.console["queues"]):
        sentence = f"{name} of {queue} is rung while they talk."
        yield Problem(f"{pbx}: queue {queue}", 0, "loaded-queue", sentence, mend)


def _modules(etc: Path, seen: Seen, pbx: str) -> Iterator[Problem]:
    try:
        written = settings_rules.modules_of(etc)
    except effective.Unreadable:
        return
    loaded = parse_loaded.modules(seen.console["modules"])
    for name in sorted(loaded - written):
        sentence, mend = f"{name} is loaded and not in modules.conf.", f"`module unload {name}.so`, when no call runs."
        yield Problem(f"{pbx}: module {name}", 0, "loaded-module", sentence, mend)
    for name in sorted(written - loaded):
        sentence, mend = f"{name} is in modules.conf and not loaded.", "Look at the log of the start."
        yield Problem(f"{pbx}: module {name}", 0, "loaded-module", sentence, mend)


def _core(seen: Seen, pbx: str) -> Iterator[Problem]:
    found = parse_loaded.core_settings(seen.console["settings"])
    enough = min(settings_rules.ENOUGH_FILES, settings_rules.files_allowed())
    unset = {"Maximum calls": "Not set", "Maximum load average": "0.000000", "Minimum free memory": "0 MB",
             "Executable includes": "Disabled"}  # fmt: skip
    for name, wanted in unset.items():
        if found.get(name) != wanted:
            mend = "Take it out of asterisk.conf and start the PBX anew when no call runs."
            yield Problem(f"{pbx}: settings", 0, "loaded-limit", f"{name}: {found.get(name, 'not told')}.", mend)
    files = found.get("Maximum open file handles", "")
    if not files.isdigit() or int(files) < enough:
        sentence, mend = f"Maximum open file handles: {files or 'not told'}.", f"Allow {settings_rules.ENOUGH_FILES}."
        yield Problem(f"{pbx}: settings", 0, "loaded-limit", sentence, mend)
    backlogs = parse_loaded.backlogs(seen.console["task processors"])
    if not backlogs:
        yield unread(pbx, "how many tasks wait")
    for name, waiting in backlogs.items():
        if waiting >= BACKLOG:
            sentence, mend = f"{waiting} tasks wait for {name}.", "Find what is slow; no reload now."
            yield Problem(f"{pbx}: task processor", 0, "loaded-backlog", sentence, mend)


def _globals(etc: Path, seen: Seen, pbx: str) -> Iterator[Problem]:
    try:
        sections: list[Section] = effective.dialplan(etc).globals
    except effective.Unreadable:
        return
    written = {setting.key: setting.value for section in sections for setting in section.settings}
    loaded = parse_loaded.global_variables(seen.console["globals"])
    for name in sorted((written.keys() | loaded.keys()) - GLOBALS_OF_THE_SERVICE):
        if (written.get(name) or "") != (loaded.get(name) or ""):
            sentence = f"{name} is {loaded.get(name)!r}; the files say {written.get(name)!r}."
            mend = f"`dialplan set global {name} …` as the files say, or `dialplan reload`."
            yield Problem(f"{pbx}: global {name}", 0, "loaded-globals", sentence, mend)


def _files(etc: Path, seen: Seen, pbx: str) -> Iterator[Problem]:
    """Changed after the start, or, where a reload is part of the change, after the last reload."""
    said = seen.console["uptime"]
    up, reloaded = (parse_loaded.seconds(said, what) for what in ("System uptime", "Last reload"))
    if up is None:
        yield unread(pbx, "since when it runs, so that nobody knows which files it has read")
        return
    for path in sorted(etc.rglob("*.conf")):
        name = str(path.relative_to(etc))
        age = up if name not in RELOADED or reloaded is None else min(up, reloaded)
        if not path.name.startswith(".") and path.stat().st_mtime > seen.at - age:
            sentence = f"{name} was changed after Asterisk read it: what is loaded may be another thing."
            mend = f"When no call runs, {START_AGAIN}."
            yield Problem(name, 1, "loaded-before", sentence, mend)
