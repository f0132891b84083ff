"""The dialplan against its data (dialplan_data.py): no line that cuts, limits or records, no jump into nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from pbx.dialplan_data import (
    APPLICATIONS,
    CHANNEL_ITEMS,
    CONTEXTS,
    DECIDES,
    DIAL_OPTIONS,
    DIALS,
    ENDERS,
    ENTERED_WHEN,
    EXTENSIONS,
    EXTENSIONS_GENERAL,
    FUNCTIONS,
    GLOBALS,
    OWN_LEGS,
    QUEUE_NAMES,
    QUEUE_OPTIONS,
    QUEUE_ROUNDS,
    QUEUE_STATUS,
    READ_BY_ASTERISK,
    RECORDERS,
    REDIALLERS,
    REMEMBERS,
    SET_BEFORE,
    SHAPES,
    WAITS_FOR_DIGITS,
    WRITTEN,
    Place,
)
from pbx.dialplan_flow import Flow, Jump, inner, is_subroutine, jumps, unreadable
from pbx.effective import Plan, Priority, Setting, options, split
from pbx.no_cap import Problem
from pbx.settings_rules import fits

_FUNCTION = re.compile(r"\$\{\s*([A-Za-z_]\w*)\(|\b([A-Z][A-Z0-9_]+)\(|(?:^|,)\s*_{0,2}([A-Za-z_]\w*)\([^)]*\)+\s*=")
_VARIABLE = re.compile(rf"(?:^|[?:(,])\s*(?:Set\()?(?:EXPORT\([^)]*,\s*)?_{{0,2}}({READ_BY_ASTERISK})\)?\s*=")
_FILTERED = re.compile(r"FILTER\([^(),]*,\$\{EXTEN[^}]*\}\)")
_SET = re.compile(
    r"_{0,2}(?P<own>[A-Za-z]\w*)|EXPORT\(\$\{CALLER_LEG\},(?P<caller>[A-Za-z]\w*)\)|LOCAL\((?P<local>[A-Za-z]\w*)\)"
    rf"|(?:{'|'.join(sorted(WRITTEN))})\((?P<item>[\w,-]+)\)",
    re.ASCII,
)
_NAMES = {name.casefold(): name for name in (*APPLICATIONS, *RECORDERS, *ENDERS, *REDIALLERS)}
_ADD = "Remove it, or add it to pbx/dialplan_data.py with its reason."

Words = tuple[str, str, str]
Rule = Callable[["Dialplan", Priority], Iterator[Words]]


class Dialplan:
    """All priorities, and where one can jump to. `loaded`: modules. `may_record`: contexts of the policy. `callers`: as
    many as the audio ports carry; None: not told.
    """

    def __init__(self, plan: Plan, loaded: set[str], may_record: set[str], callers: int | None) -> None:
        self.plan, self.loaded, self.may_record, self.callers = plan, loaded, may_record, callers
        self.flow = Flow(plan.priorities)

    def problems(self) -> Iterator[Problem]:
        yield from self._sections()
        for priority in self.plan.priorities:
            for rule in _EACH:
                for name, sentence, mend in rule(self, priority):
                    yield Problem(priority.file, priority.line, name, sentence, mend)
        yield from self.flow.problems()
        yield from self._globals()
        yield from self._shapes()
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

    def _globals(self) -> Iterator[Problem]:
        last: dict[str, Setting] = {}
        for setting in (setting for section in self.plan.globals for setting in section.settings):
            key = GLOBALS.get(setting.key)
            last[setting.key] = setting
            if re.fullmatch(READ_BY_ASTERISK, setting.key.lstrip("_").upper()):
                yield _problem(setting, "limits", f"{setting.key} limits calls, or lets keys end them.", "Remove it.")
            elif key is None:
                yield _problem(setting, "setting-unknown", f"[globals] {setting.key} is not known.", _ADD)
            elif not fits(setting.value, key):
                sentence = f"[globals] {setting.key} is {setting.value!r}."
                yield _problem(setting, "setting-value", sentence, f"Write {setting.key} = {key.says}.")
        for name, key in GLOBALS.items():
            if key.required and name not in last:
                sentence, mend = f"[globals] {name} is not set.", f"Write {name} = {key.says}."
                yield Problem("extensions.conf", 1, "setting-value", sentence, mend)
        most = last.get("CALLERS_MOST")
        if most is not None and self.callers is not None and most.value != str(self.callers):
            sentence = f"CALLERS_MOST is {most.value}; the audio ports of rtp.conf carry {self.callers} callers."
            yield _problem(most, "setting-value", sentence, f"Write CALLERS_MOST = {self.callers}.")

    def _shapes(self) -> Iterator[Problem]:
        """What a call comes into by itself, and the contexts that are known line by line."""
        for context, wanted in EXTENSIONS.items():
            found = {exten for where, exten in self.flow.extens if where == context}
            section = self.plan.contexts.get(context)
            if section is not None and found != wanted:
                sentence = f"[{context}] takes {', '.join(sorted(found))}, not {', '.join(sorted(wanted))}."
                yield Problem(section.file, section.line, "extensions-of-calls", sentence, "Write it as it is known.")
        for context, shape in SHAPES.items():
            lines = [p for p in self.flow.priorities if p.context == context]
            text = "\n".join(f"{p.exten}{f'({p.label})' if p.label else ''} {p.app}({p.args})" for p in lines)
            if lines and not re.fullmatch(shape, text):
                sentence = f"[{context}] is not built as it is known."
                yield Problem(lines[0].file, lines[0].line, "shape", sentence, "Write it as pbx/site.py does.")

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
    for what in unreadable(p):
        yield "branch-unreadable", f"What {what} does cannot be told.", "Write $[condition]?this:that, no more."
    for app, args in inner(p):
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
            if (wanted := APPLICATIONS[name].args) and not re.fullmatch(wanted, args, re.ASCII):
                yield "application-argument", f"{name}({args}) is not one that is known.", f"Write {name} as {wanted}."


def _placed(kind: str, name: str, place: Place, plan: Dialplan, p: Priority) -> Iterator[Words]:
    rule = {"Dial": "dial-from-here", "Queue": "queue-from-here", "Hangup": "hangup"}.get(name, f"{kind}-misplaced")
    if place.contexts and p.context not in place.contexts:
        sentence = f"{name} stands in [{p.context}]; its place is {_list(place.contexts)}."
        yield rule, sentence, "Remove it, or look at it there."
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
        if given[0] != (name := QUEUE_NAMES.get(p.context)):
            yield "queue-missing", f"Queue() leads into {given[0] or 'no queue'}.", f"Write {name or 'none'}."
        if any((given[2], given[3], given[5], given[7], given[8])):
            yield "queue-argument", "Queue() has an argument beyond options, round and gosub.", "Leave it empty."
        if given[4] and given[4] != QUEUE_ROUNDS.get(p.context):
            mend = f"Write {QUEUE_ROUNDS.get(p.context, 'none')}."
            yield "queue-time-out", f"Queue() is left after {given[4]}.", mend
        if not plan.flow.leads_on(p):
            yield "queue-leads-nowhere", "After Queue() the caller would be gone.", "Lead back to the queue."


def _set_before(plan: Dialplan, p: Priority) -> Iterator[Words]:
    """On every way to a Queue() or Dial(): earlier in its extension, and nobody jumps in between."""
    flow, before = plan.flow, plan.flow.before(p)
    for application in {canonical(app) for app, _ in inner(p)} & SET_BEFORE.keys():
        for wanted in SET_BEFORE[application].get(p.context, ()):
            at = [n for n, q in enumerate(before, start=1) if (q.app, q.args) == ("Set", wanted)]
            behind = [*before[at[-1] :], p] if at else []
            if at and all(flow.target(q, jump.target) not in behind for q in flow.priorities for jump in jumps(q)):
                continue
            name = wanted.partition("=")[0]
            rule = "queue-without-rank" if name == "QUEUE_PRIO" else "variable-decides"
            sentence = f"A call may come to {application}() without Set({wanted})."
            yield rule, sentence, "Set it before, in the same extension."


def _dial(plan: Dialplan, p: Priority) -> Iterator[Words]:
    for args in (args for app, args in inner(p) if canonical(app) == "Dial"):
        given = [*split(args), "", "", ""]
        letters = options(given[2])
        if (given[0], given[1]) != DIALS.get(p.context):
            sentence, mend = f"Dial() calls {given[0]} for {given[1] or 'ever'}.", "Call whom it is known to call here."
            yield "dial-argument", sentence, mend
        for letter in sorted(set(letters) - DIAL_OPTIONS):
            yield "dial-option", f"Dial() option {letter} can limit, end, record or move a call.", "Remove the option."
        if "g" not in letters:
            yield "dial-without-g", "Without g the caller is hung up on when the leg ends.", "Add option g."
        if not plan.flow.leads_on(p):
            yield "dial-leads-nowhere", "After Dial() the caller would be gone.", "Lead on to the queue."


def _variables(_plan: Dialplan, p: Priority) -> Iterator[Words]:
    if p.app == "hint":
        return
    for name in dict.fromkeys(match[1] for match in _VARIABLE.finditer(p.args) if match[1] not in DECIDES):
        yield "limits", f"{name} limits a call or its wait, or lets keys end it.", "Remove it."
    if "${EXTEN" in _FILTERED.sub("", p.args):
        yield "exten-unfiltered", "${EXTEN} is used as it was dialled.", "Write ${FILTER(0-9+,${EXTEN})}."
    for app, args in inner(p):
        if canonical(app) == "Set":
            left, _, value = args.partition("=")
            yield from _set(p.context, left, value)


def _set(context: str, left: str, value: str) -> Iterator[Words]:
    match = _SET.fullmatch(left)
    if match is None:
        rule = "channel-item" if "CHANNEL(" in left.upper() else "variable-unknown"
        yield rule, f"What Set({left}=) changes cannot be told, or is not known to be harmless.", _ADD
    elif match["item"]:
        item = match["item"].partition(",")[0]
        if left.startswith("CHANNEL(") and item not in CHANNEL_ITEMS:
            yield "channel-item", f"CHANNEL({item}) is not known to be harmless.", _ADD
    else:
        yield from _variable(context, match["own"] or match["caller"] or match["local"], value)


def _variable(context: str, name: str, value: str) -> Iterator[Words]:
    places = DECIDES.get(name)
    if places is None:
        if context not in REMEMBERS.get(name, ()):
            yield "variable-unknown", f"{name} is not known to be set in [{context}].", _ADD
    elif value not in places.get(context, ()):
        known = " or ".join(map(repr, places.get(context, ())))
        mend = f"Write {known}." if known else f"Its place is {_list(places)}."
        yield "variable-decides", f"{name} is set to {value!r} in [{context}]: a call hangs on it.", mend


def _jumps(plan: Dialplan, p: Priority) -> Iterator[Words]:
    if any(canonical(app) == "Return" for app, _ in inner(p)) and not is_subroutine(p.context, p.exten):
        yield "return", f"Return in {p.exten} of [{p.context}] hangs up: nobody came by Gosub.", "Lead on with Goto."
    for jump in jumps(p):
        if not plan.flow.exists(p, jump):
            yield "no-such-target", f"{jump.target!r} does not exist.", "Mend the jump."
        else:
            yield from _entered(p, jump, *plan.flow.place(p, jump.target))


def _entered(p: Priority, jump: Jump, context: str, exten: str) -> Iterator[Words]:
    if context != p.context and context in CONTEXTS and p.context not in CONTEXTS[context]:
        allowed = _list(CONTEXTS[context]) or "a call itself"
        yield "enters", f"[{p.context}] goes into [{context}]; who may is {allowed}.", "Mend the jump."
    elif context != p.context and jump.condition != ENTERED_WHEN.get(context, jump.condition):
        sentence = f"[{p.context}] goes into [{context}] where nobody looked at it."
        yield "enters", sentence, f"Go there by GotoIf({ENTERED_WHEN[context]}?…)."
    elsewhere, there = (context, exten) != (p.context, p.exten), is_subroutine(context, exten)
    if (jump.returns and not there) or (
        not jump.returns and elsewhere and (there or is_subroutine(p.context, p.exten))
    ):
        sentence = f"{p.exten} of [{p.context}] goes to {jump.target!r}: one of them returns by Gosub, and not so here."
        yield "return", sentence, "Gosub to what returns, Goto to what leads on."


def _list(contexts: Iterable[str]) -> str:
    return ", ".join(f"[{context}]" for context in sorted(contexts))


_EACH: tuple[Rule, ...] = (_applications, _functions, _queue, _dial, _set_before, _variables, _jumps)
