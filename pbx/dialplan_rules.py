"""The dialplan against its data (dialplan_data.py): no line that cuts, limits or records, no jump into nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pbx.dialplan_data import (
    APPLICATIONS,
    CHANNEL_ITEMS,
    CONTEXTS,
    DIAL_OPTIONS,
    ENDERS,
    EXTENSIONS_GENERAL,
    FUNCTIONS,
    OWN_LEGS,
    QUEUE_OPTIONS,
    QUEUE_ROUNDS,
    QUEUE_STATUS,
    READ_BY_ASTERISK,
    RECORDERS,
    REDIALLERS,
    WAITS_FOR_DIGITS,
    Place,
)
from pbx.dialplan_flow import Flow, inner, jumps
from pbx.effective import Plan, Priority, Setting, options, split
from pbx.no_cap import Problem

_FUNCTION = re.compile(r"\$\{\s*([A-Za-z_]\w*)\(|\b([A-Z][A-Z0-9_]+)\(|(?:^|,)\s*_{0,2}([A-Za-z_]\w*)\([^)]*\)+\s*=")
_VARIABLE = re.compile(rf"(?:^|[?:(,])\s*(?:Set\()?(?:EXPORT\([^)]*,\s*)?_{{0,2}}({READ_BY_ASTERISK})\)?\s*=")
_FILTERED = re.compile(r"FILTER\([^(),]*,\$\{EXTEN[^}]*\}\)")
_CHANNEL_ITEM = re.compile(r"\bCHANNEL\(\s*([\w-]+)[^)]*\)\s*=")
_NAMES = {name.casefold(): name for name in (*APPLICATIONS, *RECORDERS, *ENDERS, *REDIALLERS)}
_ADD = "Remove it, or add it to pbx/dialplan_data.py with its reason."

Words = tuple[str, str, str]
Rule = Callable[["Dialplan", Priority], Iterator[Words]]


class Dialplan:
    """All priorities, and where one can jump to. `loaded`: modules. `may_record`: contexts of the policy."""

    def __init__(self, plan: Plan, loaded: set[str], may_record: set[str]) -> None:
        self.plan, self.loaded, self.may_record = plan, loaded, may_record
        self.flow = Flow(plan.priorities)

    def problems(self) -> Iterator[Problem]:
        yield from self._sections()
        for priority in self.plan.priorities:
            for rule in _EACH:
                for name, sentence, mend in rule(self, priority):
                    yield Problem(priority.file, priority.line, name, sentence, mend)
        yield from self.flow.problems()
        yield from self._digits()
        yield from self._queue_statuses()

    def _sections(self) -> Iterator[Problem]:
        for name, section in self.plan.contexts.items():
            if name not in CONTEXTS:
                yield Problem(section.file, section.line, "context-unknown", f"[{name}] is not known.", _ADD)
        for context, setting in self.plan.others:
            sentence = f"[{context}] {setting.key} opens or hides extensions that nobody looked at."
            yield _problem(setting, "context-include", sentence, "Remove the line.")
        general = {setting.key.casefold(): setting for section in self.plan.general for setting in section.settings}
        for key, setting in general.items():
            if key not in EXTENSIONS_GENERAL:
                yield _problem(setting, "setting-unknown", f"[general] {setting.key} is not known.", _ADD)
            elif setting.value.casefold() != EXTENSIONS_GENERAL[key]:
                mend = f"Write {key}={EXTENSIONS_GENERAL[key]}."
                yield _problem(setting, "setting-value", f"[general] {setting.key} is {setting.value!r}.", mend)
        for setting in (setting for section in self.plan.globals for setting in section.settings):
            if re.fullmatch(READ_BY_ASTERISK, setting.key.lstrip("_").upper()):
                yield _problem(setting, "limits", f"{setting.key} limits calls, or lets keys end them.", "Remove it.")

    def _digits(self) -> Iterator[Problem]:
        """Each context that waits for digits knows what becomes of a wrong one, and of none."""
        told = set()
        for priority in self.plan.priorities:
            waits = {canonical(app) for app, _ in inner(priority)} & WAITS_FOR_DIGITS
            if not waits or priority.context in OWN_LEGS or priority.context in told:
                continue
            missing = [exten for exten in "ti" if (priority.context, exten) not in self.flow.extens]
            if missing:
                told.add(priority.context)
                sentence = f"[{priority.context}] waits for digits and has no `{'`, no `'.join(missing)}`."
                mend = "Add the extensions; they lead back to the queue."
                yield Problem(priority.file, priority.line, "digits-without-exit", sentence, mend)

    def _queue_statuses(self) -> Iterator[Problem]:
        flow = self.flow
        jump = any(p.app == "Goto" and p.args.startswith("status-$") for p in self.plan.priorities)
        for priority in (p for p in self.plan.priorities if p.app == "Queue" and p.context == "waiting"):
            missing = [s or "(none)" for s in QUEUE_STATUS if (priority.context, f"status-{s}") not in flow.extens]
            if missing or not jump:
                what = ", ".join(missing) or "a status"
                sentence = f"Queue() may end with {what} and nothing says what then."
                mend = "Add an extension status-… that leads back to the queue."
                yield Problem(priority.file, priority.line, "queue-status-unhandled", sentence, mend)


def canonical(app: str) -> str:
    """Asterisk finds an application whatever the case of its letters."""
    return _NAMES.get(app.casefold(), app)


def _problem(setting: Setting, name: str, sentence: str, mend: str) -> Problem:
    return Problem(setting.file, setting.line, name, sentence, mend)


def _applications(plan: Dialplan, p: Priority) -> Iterator[Words]:
    if p.app == "hint":
        yield "context-include", f"[{p.context}] has a hint.", "Remove the line."
        return
    if "/" in p.exten.removeprefix("_"):
        yield "caller-match", f"{p.exten} holds for some callers only.", "Write the extension without the caller."
    for app, _ in inner(p):
        name = canonical(app)
        if name in RECORDERS and p.context not in plan.may_record:
            yield "records", f"{name} can record or listen in.", "Remove it: recordings-policy/policy.toml allows none."
        elif name in ENDERS:
            yield "application-refused", f"{name} can end, park or move a call.", "Lead to the queue instead."
        elif name in REDIALLERS:
            yield "dials-again", f"{name} keeps or moves a caller by limits of its own.", "Lead to the queue instead."
        elif name not in APPLICATIONS:
            yield "application-unknown", f"{name} is not known to be harmless.", _ADD
        else:
            yield from _placed("application", name, APPLICATIONS[name], plan, p)


def _placed(kind: str, name: str, place: Place, plan: Dialplan, p: Priority) -> Iterator[Words]:
    rule = {"Dial": "dial-from-here", "Queue": "queue-from-here", "Hangup": "hangup"}.get(name, f"{kind}-misplaced")
    if place.contexts and p.context not in place.contexts:
        allowed = ", ".join(f"[{context}]" for context in sorted(place.contexts))
        yield rule, f"{name} stands in [{p.context}]; its place is {allowed}.", "Remove it, or look at it there."
    elif place.module and place.module not in plan.loaded:
        yield f"{kind}-not-loaded", f"{name} needs {place.module}.", "Load it in modules.conf."


def _functions(plan: Dialplan, p: Priority) -> Iterator[Words]:
    applications = {canonical(app) for app, _ in inner(p)}
    found = dict.fromkeys("".join(match) for match in _FUNCTION.findall(p.args))
    for name in (name for name in found if canonical(name) not in applications):
        upper = name.upper()
        if upper == "TIMEOUT":
            absolute = re.search(r"TIMEOUT\(\s*absolute", p.args, re.IGNORECASE)
            rule = "timeout-absolute" if absolute else "timeout-digits"
            yield rule, "TIMEOUT limits a call, or what a caller may take for a digit.", "Remove it."
        elif upper in RECORDERS:
            yield "records", f"{name} can record, or run anything.", "Remove it."
        elif name not in FUNCTIONS:
            yield "function-unknown", f"{name}() is not known to be harmless.", _ADD
        else:
            yield from _placed("function", name, FUNCTIONS[name], plan, p)
            yield from _arguments(name, FUNCTIONS[name].args, p)


def _arguments(name: str, wanted: str, p: Priority) -> Iterator[Words]:
    for start in re.finditer(rf"\b{name}\(", p.args) if wanted else ():
        given = _until_closed(p.args[start.end() :])
        if not re.fullmatch(wanted, given):
            yield "function-misplaced", f"{name}({given}) is not the one that is known.", f"Write {name} as {wanted}."


def _until_closed(text: str) -> str:
    depth = 1
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[:at]
    return text


def _queue(plan: Dialplan, p: Priority) -> Iterator[Words]:
    for args in (args for app, args in inner(p) if canonical(app) == "Queue"):
        given = [*split(args), *[""] * 9][:9]
        letters = options(given[1])
        for letter in sorted(set(letters) - QUEUE_OPTIONS):
            yield "queue-option", f"Queue() option {letter} can end, record or move a call.", "Remove the option."
        if "c" not in letters:
            yield "queue-without-c", "Without c the caller is hung up on when the phone is lost.", "Add option c."
        if any((given[2], given[3], given[5], given[7], given[8])):
            yield "queue-argument", "Queue() has an argument beyond options, round and gosub.", "Leave it empty."
        if given[4] and given[4] != QUEUE_ROUNDS.get(p.context):
            mend = f"Write {QUEUE_ROUNDS.get(p.context, 'none')}."
            yield "queue-time-out", f"Queue() is left after {given[4]}.", mend
        if not plan.flow.leads_on(p):
            yield "queue-leads-nowhere", "After Queue() the caller would be gone.", "Lead back to the queue."
        before = (q for q in plan.flow.before(p) if q.app == "Set")
        if not any(q.args.startswith("QUEUE_PRIO=$[2147483647 - ${ARRIVED}]") for q in before):
            yield "queue-without-rank", "Queue() without QUEUE_PRIO loses the caller's rank.", "Set QUEUE_PRIO before."


def _dial(plan: Dialplan, p: Priority) -> Iterator[Words]:
    for args in (args for app, args in inner(p) if canonical(app) == "Dial"):
        given = [*split(args), "", "", ""]
        letters = options(given[2])
        for letter in sorted(set(letters) - DIAL_OPTIONS):
            yield "dial-option", f"Dial() option {letter} can limit, end, record or move a call.", "Remove the option."
        if "g" not in letters:
            yield "dial-without-g", "Without g the caller is hung up on when the leg ends.", "Add option g."
        if not plan.flow.leads_on(p):
            yield "dial-leads-nowhere", "After Dial() the caller would be gone.", "Lead on to the queue."


def _variables(_plan: Dialplan, p: Priority) -> Iterator[Words]:
    if p.app == "hint":
        return
    for name in dict.fromkeys(match[1] for match in _VARIABLE.finditer(p.args)):
        yield "limits", f"{name} limits a call or its wait, or lets keys end it.", "Remove it."
    if "${EXTEN" in _FILTERED.sub("", p.args):
        yield "exten-unfiltered", "${EXTEN} is used as it was dialled.", "Write ${FILTER(0-9+,${EXTEN})}."
    for match in _CHANNEL_ITEM.finditer(p.args):
        if match[1] not in CHANNEL_ITEMS:
            yield "channel-item", f"CHANNEL({match[1]}) is not known to be harmless.", _ADD


def _jumps(plan: Dialplan, p: Priority) -> Iterator[Words]:
    for target in jumps(p):
        if not plan.flow.exists(p, target):
            yield "no-such-target", f"{target!r} does not exist.", "Mend the jump."
            continue
        context = plan.flow.context_of(p, target)
        if context != p.context and context in CONTEXTS and p.context not in CONTEXTS[context]:
            allowed = ", ".join(f"[{c}]" for c in sorted(CONTEXTS[context])) or "a call itself"
            yield "enters", f"[{p.context}] goes into [{context}]; who may is {allowed}.", "Mend the jump."


_EACH: tuple[Rule, ...] = (_applications, _functions, _queue, _dial, _variables, _jumps)
