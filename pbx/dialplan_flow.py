"""Where a call goes in the dialplan: what follows what, where one may jump to, and what ends a call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pbx.dialplan_data import CONTEXTS, HANGUPS, OWN_PHONES, SUBROUTINES, Ending
from pbx.effective import BLANKS, Priority, options, split
from pbx.no_cap import Problem

Place = tuple[str, str]  #: context, extension

_CALL = re.compile(r"([A-Za-z_]\w*)(?:\((.*)\))?", re.DOTALL | re.ASCII)
_CONDITIONAL = {"gotoif", "gosubif", "gotoiftime", "execif"}
_EXISTS = re.compile(r"DIALPLAN_EXISTS\(([^()]*)\)")


class Jump(NamedTuple):
    """`target`: `label`, `exten,label` or `context,exten,label`. `returns`: by Gosub, as a handler, on a leg.

    `condition`: the only one under which one jumps; empty: always, or where another one does not hold.
    """

    target: str
    returns: bool = False
    condition: str = ""


class Branches(NamedTuple):
    """What GotoIf, GosubIf, GotoIfTime and ExecIf do where the condition holds, and where not. Empty: nothing."""

    condition: str
    yes: str
    no: str


def inner(p: Priority) -> list[tuple[str, str]]:
    """The application of a priority with its arguments, and those that ExecIf runs."""
    found = [(p.app, p.args)]
    ways = branches(p.app, p.args) if p.app.casefold() == "execif" else None
    matches = (_CALL.fullmatch(way) for way in ways[1:]) if ways else ()
    return [*found, *((match[1], match[2] or "") for match in matches if match)]


def branches(app: str, args: str) -> Branches | None:
    """None where one cannot say for certain what Asterisk takes for the condition, and what for its branches.

    ExecIf and GosubIf cut outside brackets and quotes, GotoIf and GotoIfTime at the first `?` and `:` of all.
    """
    parts = _cut(args, "?")
    ways = _cut(parts[-1], ":")
    if len(parts) != 2 or len(ways) > 2 or any(letter in without_substitutions(parts[1]) for letter in '"\\?'):
        return None
    condition = parts[0].strip(BLANKS)
    if app.casefold() != "gotoiftime" and (condition[:2] != "$[" or _closing(condition, 0) != len(condition)):
        return None
    return Branches(condition, ways[0].strip(BLANKS), ways[1].strip(BLANKS) if len(ways) == 2 else "")


def unreadable(p: Priority) -> Iterator[str]:
    """Conditional applications of a priority of which one cannot say what they would do."""
    for app, args in inner(p):
        if app.casefold() not in _CONDITIONAL:
            continue
        ways = branches(app, args)
        if ways is None:
            yield f"{app}({args})"
        elif app.casefold() == "execif":
            yield from (f"{app}({args})" for way in ways[1:] if not _CALL.fullmatch(way) and (way or not ways.yes))


def without_substitutions(text: str) -> str:
    """`text` with a dot for each letter of its `${…}` and `$[…]`."""
    found, at = "", 0
    while at < len(text):
        end = _closing(text, at) if text[at : at + 2] in {"${", "$["} else at
        found += "." * (end - at) or text[at]
        at = max(end, at + 1)
    return found


def _closing(text: str, start: int) -> int:
    """Where the `${` or `$[` at `start` ends: as Asterisk counts, brackets in quotes too (pbx_variables.c)."""
    opening = text[start + 1]
    closing, depth = {"{": "}", "[": "]"}[opening], 0
    for at in range(start + 1, len(text)):
        depth += (text[at] == opening) - (text[at] == closing)
        if depth == 0:
            return at + 1
    return len(text)


def _cut(text: str, separator: str) -> list[str]:
    """At separators outside brackets, and outside what is substituted."""
    parts, begin, depth = [], 0, 0
    for at, letter in enumerate(without_substitutions(text)):
        depth = max(0, depth + (letter in "([") - (letter in ")]"))
        if letter == separator and depth == 0:
            parts.append(text[begin:at])
            begin = at + 1
    return [*parts, text[begin:]]


def jumps(p: Priority) -> Iterator[Jump]:
    """Where a priority may jump to."""
    for app, args in inner(p):
        name = app.casefold()
        if name in {"goto", "gosub"}:
            yield _jump(name, args, "")
        elif name in _CONDITIONAL - {"execif"} and (ways := branches(app, args)):
            conditions = (ways.condition, "")
            yield from (_jump(name, way, said) for way, said in zip(ways[1:], conditions, strict=True) if way)
        elif name in {"queue", "dial"}:
            yield from (Jump(target, returns=True) for target in _called_on_legs(name, args))
        elif name == "set" and "hangup_handler_push" in args:
            yield Jump(args.partition("=")[2], returns=True)


def _jump(name: str, target: str, condition: str) -> Jump:
    returns = name.startswith("gosub")
    return Jump(_without_arguments(target) if returns else target, returns, condition)


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
        self.labels = {(p.context, p.exten, p.label): p for p in self.priorities if p.label}
        self.at = {(p.context, p.exten, p.number): p for p in reversed(self.priorities)}

    # --- targets ---------------------------------------------------------------------------------------------------

    def place(self, here: Priority, target: str) -> Place:
        """Context and extension of a target."""
        parts = _parts(target)
        return (parts[0] if len(parts) > 2 else here.context, parts[-2] if len(parts) > 1 else here.exten)

    def exists(self, here: Priority, jump: Jump) -> bool:
        """A computed extension exists when some begin so and `i` catches the rest. One that is asked for by the jump's
        own condition need not be there.
        """
        parts, (context, exten) = _parts(jump.target), self.place(here, jump.target)
        if len(parts) > 3 or any(re.search(r'[\s()"]', without_substitutions(part)) for part in parts):
            return False
        asked = context in CONTEXTS and jump.target in _EXISTS.findall(jump.condition)
        if "${" in exten:
            return asked or (parts[-1] == "1" and self._any(context, exten.partition("${")[0]))
        return asked or self.target(here, jump.target) is not None

    def _any(self, context: str, start: str) -> bool:
        known = any(c == context and e.startswith(start) for c, e in self.extens)
        return bool(start) and (context, "i") in self.extens and known

    def target(self, here: Priority, target: str) -> Priority | None:
        """The priority that a target names, where it is not computed."""
        (context, exten), label = self.place(here, target), _parts(target)[-1]
        if label.isascii() and label.isdigit():
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
            elif any(self.target(q, jump.target) is p for q in self.priorities for jump in jumps(q)):
                sentence = "A jump leads to this Hangup past the line that says whose deed it was."
                yield Problem(p.file, p.line, "hangup", sentence, "Jump to the line before it.")

    def _only_where(self, deed: Priority, ending: Ending) -> bool:
        """Every way to `deed` is a condition that is known."""
        for p in self.priorities:
            led = [jump for jump in jumps(p) if self.target(p, jump.target) is deed]
            if any(jump.returns or jump.condition not in ending.when for jump in led):
                return False
            if self.following(p) is not deed or _is_an_end(p):
                continue
            ways = branches(p.app, p.args) if p.app.casefold() == "gotoif" else None
            if led or ways is None or not ways.yes or ways.condition not in ending.unless:
                return False
        return True


def is_subroutine(context: str, exten: str) -> bool:
    return SUBROUTINES.get(context) in {"", exten}


def _parts(target: str) -> list[str]:
    """At each comma outside what is substituted, as Goto cuts."""
    commas = [at for at, letter in enumerate(without_substitutions(target)) if letter == ","]
    return [target[begin + 1 : end] for begin, end in zip([-1, *commas], [*commas, len(target)], strict=True)]


def _is_an_end(p: Priority) -> bool:
    """Nothing goes on from it to the next priority."""
    if p.app.casefold() == "gotoif":
        ways = branches(p.app, p.args)
        return ways is not None and bool(ways.yes and ways.no)
    return p.app.casefold() in {"goto", "return", "hangup"}
