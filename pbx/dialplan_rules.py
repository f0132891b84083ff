"""What the dialplan may contain: no line that cuts, limits or records a call, no jump into nothing.

A list of what is known to be harmless; an application, function or option that is not in it is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pbx.effective import Priority, options, split

#: application → the module that brings it; empty for Asterisk's own core
APPLICATIONS = {
    "Answer": "", "Gosub": "app_stack", "GosubIf": "app_stack", "Goto": "", "GotoIf": "", "GotoIfTime": "",
    "Hangup": "",
    "Return": "app_stack", "Ringing": "", "Set": "", "Wait": "", "NoOp": "", "ExecIf": "app_exec", "Log": "app_verbose",
    "Playback": "app_playback", "Read": "app_read", "Queue": "app_queue", "Dial": "app_dial",
    "PauseQueueMember": "app_queue", "UnpauseQueueMember": "app_queue", "UserEvent": "app_userevent",
    "CELGenUserEvent": "app_celgenuserevent", "StartMusicOnHold": "res_musiconhold",
    "StopMusicOnHold": "res_musiconhold",
}  # fmt: skip
FUNCTIONS = {
    "AES_ENCRYPT": "func_aes", "CALLERID": "func_callerid", "CONNECTEDLINE": "func_callerid",
    "REDIRECTING": "func_callerid", "CHANNEL": "func_channel", "CHANNEL_EXISTS": "func_channel", "DB": "func_db",
    "DEVICE_STATE": "func_devstate", "DIALPLAN_EXISTS": "func_dialplan", "FILTER": "func_strings", "IF": "func_logic",
    "LEN": "func_strings", "LOCAL": "app_stack", "QUEUE_EXISTS": "app_queue", "QUEUE_MEMBER": "app_queue",
    "REGEX": "func_strings", "SHA1": "func_sha1", "STRFTIME": "func_strings", "TOLOWER": "func_strings",
    "UUID": "func_uuid", "IMPORT": "func_logic", "EXPORT": "func_export",
}  # fmt: skip
RECORDERS = {
    "MixMonitor", "Monitor", "Record", "Dictate", "VoiceMail", "MiniVM", "ChanSpy", "ExtenSpy", "AudioSocket", "Stasis",
    "AGI", "EAGI", "System", "TrySystem", "JACK_HOOK", "MIXMONITOR",
}  # fmt: skip
QUEUE_OPTIONS, DIAL_OPTIONS = set("ciIbBm"), set("giImbBU")
QUEUE_STATUS = ("TIMEOUT", "FULL", "JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL", "CONTINUE", "WITHDRAW")
DIALS = {"lost", "overflow"}  #: the only contexts that call anybody
_FUNCTION = re.compile(r"\b([A-Z][A-Z0-9_]{1,})\(")


class Problem(NamedTuple):
    """`id` is stable; `mend` says what to do."""

    file: str
    line: int
    id: str
    sentence: str
    mend: str


class Dialplan:
    """All priorities, and where one can jump to."""

    def __init__(self, priorities: list[Priority], loaded: set[str], may_record: set[str]) -> None:
        self.priorities, self.loaded, self.may_record = priorities, loaded, may_record
        self.contexts = {p.context for p in priorities}
        self.extens = {(p.context, p.exten) for p in priorities}
        self.labels = {(p.context, p.exten, p.label) for p in priorities if p.label}

    def problems(self) -> Iterator[Problem]:
        for index, priority in enumerate(self.priorities):
            for rule in (_known, _functions, _queue, _dial, _hangup, _never):
                for name, sentence, mend in rule(self, index):
                    yield Problem(priority.file, priority.line, name, sentence, mend)
            for target in _targets(priority):
                if not self._exists(priority, target):
                    yield Problem(
                        priority.file, priority.line, "no-such-target", f"{target!r} does not exist.", "Mend the jump."
                    )
        yield from self._queue_statuses()

    def _exists(self, here: Priority, target: str) -> bool:
        parts = split(target)
        place, label = parts[:-1], re.sub(r"\(.*", "", parts[-1])
        exten = place[-1] if place else here.exten
        context = place[0] if len(place) == 2 else here.context
        if "${" in exten:
            start = exten.partition("${")[0]
            return context in self.contexts and ("DIALPLAN_EXISTS" in here.args or self._any(context, start))
        if (context, exten) not in self.extens:
            return "DIALPLAN_EXISTS" in here.args
        return label.isdigit() or (context, exten, label) in self.labels

    def _any(self, context: str, start: str) -> bool:
        """A computed extension: some begin so, and `i` catches the rest."""
        return (
            bool(start)
            and (context, "i") in self.extens
            and any(c == context and e.startswith(start) for c, e in self.extens)
        )

    def _queue_statuses(self) -> Iterator[Problem]:
        jump = next((p for p in self.priorities if p.app == "Goto" and p.args.startswith("status-$")), None)
        for priority in (p for p in self.priorities if p.app == "Queue" and p.context == "waiting"):
            missing = [s for s in QUEUE_STATUS if (priority.context, f"status-{s}") not in self.extens]
            if missing or jump is None:
                yield Problem(
                    priority.file,
                    priority.line,
                    "queue-status-unhandled",
                    f"Queue() may end with {', '.join(missing) or 'a status'} and nothing says what then.",
                    "Add an extension status-… that leads back to the queue.",
                )


Words = tuple[str, str, str]
Rule = Callable[[Dialplan, int], Iterator[Words]]


def _known(plan: Dialplan, index: int) -> Iterator[Words]:
    p = plan.priorities[index]
    if p.app in RECORDERS and p.context not in plan.may_record:
        yield "records", f"{p.app} can record or listen in.", "Remove it: recordings-policy/policy.toml allows none."
    elif p.app not in APPLICATIONS:
        yield "application-unknown", f"{p.app} is not known to be harmless.", "Remove it, or add it with its reason."
    elif (module := APPLICATIONS[p.app]) and module not in plan.loaded:
        yield "application-not-loaded", f"{p.app} needs {module}: reaching it hangs up.", "Load it in modules.conf."


def _functions(plan: Dialplan, index: int) -> Iterator[Words]:
    for name in dict.fromkeys(_FUNCTION.findall(plan.priorities[index].args)):
        if name == "TIMEOUT":
            yield "timeout", "TIMEOUT limits a call, or what a caller may take for a digit.", "Remove it."
        elif name in RECORDERS:
            yield "records", f"{name} can record.", "Remove it: recordings-policy/policy.toml allows none."
        elif name not in FUNCTIONS:
            yield "function-unknown", f"{name}() is not known to be harmless.", "Remove it, or add it with its reason."
        elif FUNCTIONS[name] not in plan.loaded:
            yield "function-not-loaded", f"{name}() needs {FUNCTIONS[name]}.", "Load it in modules.conf."


def _queue(plan: Dialplan, index: int) -> Iterator[Words]:
    for args in _calls(plan.priorities[index], "Queue"):
        given = split(args)
        letters = options(given[1]) if len(given) > 1 else {}
        for letter in sorted(set(letters) - QUEUE_OPTIONS):
            yield "queue-option", f"Queue() option {letter} can end, record or move a call.", "Remove the option."
        if "c" not in letters:
            yield "queue-without-c", "Without c the caller is hung up on when the phone is lost.", "Add option c."
        rest = plan.priorities[index + 1 : index + 3]
        if not rest or any(p.app == "Hangup" or p.context != plan.priorities[index].context for p in rest[:1]):
            yield "queue-leads-nowhere", "After Queue() the caller would be gone.", "Lead back to the queue."
        before = [p for p in plan.priorities[:index] if p.exten == plan.priorities[index].exten]
        if not any(p.app == "Set" and p.args.startswith("QUEUE_PRIO=") for p in before):
            yield "queue-without-rank", "Queue() without QUEUE_PRIO loses the caller's rank.", "Set QUEUE_PRIO before."


def _dial(plan: Dialplan, index: int) -> Iterator[Words]:
    p = plan.priorities[index]
    for args in _calls(p, "Dial"):
        given = split(args)
        letters = options(given[2]) if len(given) > 2 else {}
        for letter in sorted(set(letters) - DIAL_OPTIONS):
            yield "dial-option", f"Dial() option {letter} can limit, end, record or move a call.", "Remove the option."
        if "g" not in letters:
            yield "dial-without-g", "Without g the caller is hung up on when the leg ends.", "Add option g."
        if p.context not in DIALS:
            yield "dial-from-here", f"[{p.context}] must not call anybody.", "Only lost and overflow may."


def _hangup(plan: Dialplan, index: int) -> Iterator[Words]:
    p = plan.priorities[index]
    if not list(_calls(p, "Hangup")) or p.context == "listeners":
        return
    before = [q for q in plan.priorities[max(0, index - 1) : index] if (q.context, q.exten) == (p.context, p.exten)]
    if p.app != "Hangup" or not any(q.app == "Set" and q.args.startswith("ENDED_BY=") for q in before):
        yield "hangup", "Hangup without a person's deed before it ends a call.", "Lead to the queue instead."


def _never(plan: Dialplan, index: int) -> Iterator[Words]:
    p = plan.priorities[index]
    if p.app in {"Set", "ExecIf"} and re.search(r"ABSOLUTE|LIMIT_|DIAL_BRIDGE|QUEUE_MAX_PENALTY|EXITCONTEXT", p.args):
        yield "limits", "This variable limits a call or its wait.", "Remove it."


def _calls(p: Priority, app: str) -> Iterator[str]:
    """The arguments of an application, also where ExecIf runs it."""
    if p.app == app:
        yield p.args
    elif p.app == "ExecIf":
        yield from re.findall(rf"[?:]{app}\((.*)\)", p.args)


def _targets(p: Priority) -> Iterator[str]:
    """Where a priority may jump to: `label`, `exten,label` or `context,exten,label`."""
    if p.app in {"Goto", "Gosub"}:
        yield re.sub(r"\(.*\)$", "", p.args)
    elif p.app in {"GotoIf", "GosubIf", "GotoIfTime"}:
        branches = p.args.rpartition("?")[2]
        yield from (re.sub(r"\(.*\)$", "", branch) for branch in split(branches, ":") if branch)
    elif p.app in {"Queue", "Dial"}:
        given = split(p.args)
        place = 1 if p.app == "Queue" else 2
        letters = options(given[place]) if len(given) > place else {}
        for letter in set(letters) & set("bBU"):
            parts = letters[letter].split("^")
            yield ",".join(parts) if len(parts) == 3 else f"{parts[0]},s,1"
        if p.app == "Queue" and len(given) > 6 and given[6]:
            yield f"{given[6]},s,1"
    elif p.app == "Set" and "hangup_handler_push" in p.args:
        yield p.args.partition("=")[2]
    elif p.app == "ExecIf" and (match := re.search(r"\?Gosub\(([\w-]+,[\w-]+,\w+)", p.args)):
        yield match[1]
