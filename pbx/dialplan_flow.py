"""Where a call goes in the dialplan: what follows what, where one may jump to, and what ends a call."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pbx.dialplan_data import HANGUPS, OWN_PHONES, Ending
from pbx.effective import Priority, options, split
from pbx.no_cap import Problem

_BRANCH = re.compile(r"([A-Za-z_]\w*)\s*(?:\((.*)\))?$", re.DOTALL)
_JUMPS = {"goto", "gosub", "gotoif", "gosubif", "gotoiftime"}


def inner(p: Priority) -> list[tuple[str, str]]:
    """The application of a priority with its arguments, and those that ExecIf runs."""
    found = [(p.app, p.args)]
    if p.app.casefold() == "execif":
        branches = split(p.args, "?")[-1] if "?" in p.args else ""
        matches = (_BRANCH.match(branch) for branch in split(branches, ":"))
        found += [(match[1], match[2] or "") for match in matches if match]
    return found


def jumps(p: Priority) -> Iterator[str]:
    """Where a priority may jump to: `label`, `exten,label` or `context,exten,label`."""
    for app, args in inner(p):
        name = app.casefold()
        if name in {"goto", "gosub"}:
            yield _without_arguments(args)
        elif name in _JUMPS:
            yield from (_without_arguments(branch) for branch in split(args.rpartition("?")[2], ":") if branch)
        elif name in {"queue", "dial"}:
            yield from _called_on_legs(name, args)
        elif name == "set" and "hangup_handler_push" in args:
            yield args.partition("=")[2]


def _called_on_legs(name: str, args: str) -> Iterator[str]:
    given = [*split(args), *[""] * 7]
    letters = options(given[1] if name == "queue" else given[2])
    for letter in sorted(set(letters) & set("bBU")):
        parts = letters[letter].split("^")
        yield ",".join(parts) if len(parts) == 3 else f"{parts[0]},s,1"
    if name == "queue" and given[6]:
        yield _without_arguments(f"{given[6]},s,1" if "," not in given[6] else given[6])


def _without_arguments(target: str) -> str:
    return re.sub(r"\(.*\)$", "", target, flags=re.DOTALL)


class Flow:
    """The dialplan as a graph."""

    def __init__(self, priorities: list[Priority]) -> None:
        self.priorities = [p for p in priorities if p.app != "hint"]
        self.extens = {(p.context, p.exten) for p in self.priorities}
        self.contexts = {p.context for p in self.priorities}
        self.labels = {(p.context, p.exten, p.label): p for p in self.priorities if p.label}
        self.at = {(p.context, p.exten, p.number): p for p in reversed(self.priorities)}

    # --- targets ---------------------------------------------------------------------------------------------------

    def context_of(self, here: Priority, target: str) -> str:
        parts = split(target)
        return parts[0] if len(parts) == 3 else here.context

    def exists(self, here: Priority, target: str) -> bool:
        """A computed extension exists when some begin so and `i` catches the rest."""
        parts = split(target)
        place, label = parts[:-1], parts[-1]
        exten = place[-1] if place else here.exten
        context = self.context_of(here, target)
        asked = "DIALPLAN_EXISTS" in here.args
        if "${" in exten:
            return context in self.contexts and (asked or self._any(context, exten.partition("${")[0]))
        if (context, exten) not in self.extens:
            return asked
        return (context, exten, label) in self.labels or (label.isdigit() and (context, exten, int(label)) in self.at)

    def _any(self, context: str, start: str) -> bool:
        known = any(c == context and e.startswith(start) for c, e in self.extens)
        return bool(start) and (context, "i") in self.extens and known

    def _target(self, here: Priority, target: str) -> Priority | None:
        parts = split(target)
        exten = parts[-2] if len(parts) > 1 else here.exten
        context, label = self.context_of(here, target), parts[-1]
        if label.isdigit():
            return self.at.get((context, exten, int(label)))
        return self.labels.get((context, exten, label))

    # --- what follows ----------------------------------------------------------------------------------------------

    def following(self, p: Priority) -> Priority | None:
        return self.at.get((p.context, p.exten, p.number + 1))

    def before(self, p: Priority) -> list[Priority]:
        """Earlier in the same extension."""
        return [self.at[key] for n in range(1, p.number) if (key := (p.context, p.exten, n)) in self.at]

    def leads_on(self, p: Priority) -> bool:
        following = self.following(p)
        return following is not None and all(app.casefold() != "hangup" for app, _ in inner(following))

    def problems(self) -> Iterator[Problem]:
        yield from self._ends()
        yield from self._hangups()

    def _ends(self) -> Iterator[Problem]:
        """Falling off an extension's end, or into a gap, hangs up."""
        seen: set[tuple[str, str, int]] = set()
        for p in self.priorities:
            key = (p.context, p.exten, p.number)
            if key in seen:
                sentence = f"{p.exten},{p.number} of [{p.context}] is there already: Asterisk ignores this line."
                yield Problem(p.file, p.line, "priority-twice", sentence, "Remove one of them.")
            seen.add(key)
            if self.following(p) is None and not _is_an_end(p):
                sentence = f"After {p.app} nothing follows in {p.exten} of [{p.context}]: the call is hung up on."
                yield Problem(p.file, p.line, "falls-off", sentence, "Lead on with Goto or Return.")
            if p.number > 1 and (p.context, p.exten, p.number - 1) not in self.at:
                sentence = f"{p.exten} of [{p.context}] has no priority {p.number - 1}: the call is hung up on there."
                yield Problem(p.file, p.line, "falls-off", sentence, "Number without a gap: n.")

    def _hangups(self) -> Iterator[Problem]:
        """Only after a person's deed, and nothing comes by there otherwise."""
        for p in self.priorities:
            hangs_up = [app for app, _ in inner(p) if app.casefold() == "hangup"]
            if not hangs_up or p.context in OWN_PHONES:
                continue
            ending = HANGUPS.get(p.context)
            deed = self.at.get((p.context, p.exten, p.number - 1))
            told = ending and deed and (deed.app, deed.args) == ("Set", f"ENDED_BY={ending.by}")
            if ending is None or deed is None or not told or p.app.casefold() != "hangup":
                sentence = f"Hangup in [{p.context}] without a person's deed before it ends a call."
                yield Problem(p.file, p.line, "hangup", sentence, "Lead to the queue instead.")
            elif (ending.when or ending.unless) and not self._only_where(deed, ending):
                sentence = "A call can come to this Hangup under a condition that nobody looked at."
                mend = "Lead to the queue; or add the condition to HANGUPS in pbx/dialplan_data.py with its reason."
                yield Problem(p.file, p.line, "hangup", sentence, mend)
            elif any(self._target(q, target) is p for q in self.priorities for target in jumps(q)):
                sentence = "A jump leads to this Hangup past the line that says whose deed it was."
                yield Problem(p.file, p.line, "hangup", sentence, "Jump to the line before it.")

    def _only_where(self, deed: Priority, ending: Ending) -> bool:
        """Every way to `deed` is a condition that is known."""
        for p in self.priorities:
            leads = any(self._target(p, target) is deed for target in jumps(p))
            if leads and (p.app.casefold() != "gotoif" or p.args.partition("?")[0] not in ending.when):
                return False
            if self.following(p) is not deed or _is_an_end(p):
                continue
            if leads or p.app.casefold() != "gotoif" or p.args.partition("?")[0] not in ending.unless:
                return False
        return True


def _is_an_end(p: Priority) -> bool:
    """Nothing goes on from it to the next priority."""
    return p.app.casefold() in {"goto", "return", "hangup"} or _two_branches(p)


def _two_branches(p: Priority) -> bool:
    branches = split(p.args.rpartition("?")[2], ":")
    return p.app.casefold() == "gotoif" and len(branches) == 2 and all(branches)
