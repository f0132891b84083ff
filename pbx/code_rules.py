"""Our own code against what it may ask of Asterisk: each action from one named place, each command from one.

    ACTIONS = {"Hangup": ("_hang_up_a_leg",), …}      # functions of pbx/actions.py

Read from the source, without running it. What is not named is a finding.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pbx.no_cap import Problem

#: AMI action → the functions of pbx/actions.py that may build it.
ACTIONS: dict[str, tuple[str, ...]] = {
    "Login": ("login",),
    "Logoff": ("logoff",),
    "Ping": ("ping",),
    "CoreStatus": ("core_status",),
    "CoreSettings": ("core_settings",),
    "Status": ("list_legs",),
    "QueueStatus": ("list_members", "compare_members", "_read_queues"),
    "ShowDialPlan": ("list_dialplan", "_read_dialplan"),
    "PJSIPShowContacts": ("list_contacts",),
    "QueueAdd": ("_add_member",),
    "QueueRemove": ("_remove_member",),
    "QueuePause": ("_pause_member",),
    "QueuePenalty": ("_set_penalty",),
    "QueueWithdrawCaller": ("_withdraw",),
    "Hangup": ("_hang_up_a_leg",),
    "Getvar": ("read_clock_anchor",),
    "Setvar": ("_keep_own_reason", "heartbeat", "tell_clock"),
    "DBPut": ("_put_route",),
    "DBDel": ("_put_route",),
    "DBGetTree": ("_read_routes",),
    "Reload": ("_reload_phones", "_reload_queues", "_reload_dialplan"),
}
#: What those may say: action → header → values that are written out. A computed value passes only where none is named.
SAYS: dict[str, dict[str, tuple[str, ...]]] = {
    "Setvar": {"Variable": ("OWN_REASON", "SERVICE_HEARTBEAT", "CLOCK_ANCHOR", "CLOCK_SET")},
    "Reload": {"Module": ("res_pjsip.so", "app_queue.so", "pbx_config.so")},
}
#: A function of pbx/actions.py → who may call it: the two reasons for which a leg is hung up.
CALLERS: dict[str, tuple[str, ...]] = {"_hang_up_a_leg": ("_end_conversation", "_drop_lost_leg")}
#: May end, time, tear, park or record a call whoever sends it, or run anything.
AMI_NEVER = {
    "AbsoluteTimeout", "Park", "BridgeKick", "BridgeDestroy", "BridgeTechnologySuspend", "Command", "Redirect",
    "MixMonitor", "Monitor", "StopMixMonitor", "MixMonitorMute", "Bridge", "ConfbridgeKick", "ConfbridgeStartRecord",
    "ConfbridgeMute", "Originate", "Atxfer", "CancelAtxfer", "BlindTransfer", "UpdateConfig", "CreateConfig",
    "PlayDTMF", "ControlPlayback", "AGI", "ModuleLoad", "LocalOptimizeAway", "QueueReload",
    "QueueChangePriorityCaller", "QueueReset", "DBDelTree", "MuteAudio", "DialplanExtensionAdd",
    "DialplanExtensionRemove", "LoggerRotate", "Filter",
}  # fmt: skip
#: Command (pbx/commands.py) → where it may be asked for: `file: function`.
COMMANDS: dict[str, tuple[str, ...]] = {
    "EndConversation": ("service/listeners/use_cases.py: end_call",),
    "DropLostLeg": ("service/pump.py: Pump._free_callers",),
    "WithdrawCaller": ("service/pump.py: Pump._overflow",),
    "KeepOwnReason": ("service/listeners/use_cases.py: pause",),
}
#: Console commands that only look. One that is not a constant stands in these functions alone.
CONSOLE = re.compile(
    r"core show (channels count|settings|taskprocessors|uptime seconds)|core waitfullybooted|module show"
    r"|dialplan show globals|queue show|pjsip show (settings|\{kind\}s|\{kind\} \{name\})"
)
CONSOLE_BUILDERS = {"pbx/process.py: RunningPbx.console", "pbx/loaded.py: console_says"}
#: Where the PBX's process may be ended: calls end first, or it never took one, or a test asks for it.
STOPPERS = {"_end": {"RunningPbx.stop", "RunningPbx.kill"}}
#: Where a process may be sent a signal: the PBX after its calls, or one that never took any; else none of the PBX's.
SIGNALS = {"kill", "terminate", "send_signal", "killpg", "pidfd_send_signal"}
SIGNALLERS = (
    "pbx/process.py: _end", "pbx/process.py: _ready", "service/cli/keeper.py: ", "service/cli/single.py: ",
    "service/cli/demo/play.py: ",
)  # fmt: skip
_BY_HAND = re.compile(r"(?i)(^|\\r\\n|\n|\r)\s*action:\s*\w")
_SENDERS = {"send_action", "send_command", "send_agi_command", "send_originate"}
_SESSION = "pbx/session.py"


def problems(folders: Sequence[Path]) -> Iterator[Problem]:
    """Of every Python file below `folders`; names are told from the folder's own on."""
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            if "node_modules" not in file.parts:
                name = str(file.relative_to(folder.parent))
                yield from _File(name, file.read_text()).problems()


class _File:
    """One source file. A node's function is known by its qualified name: `Pump._overflow`."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.tree = ast.parse(source)
        self.function: dict[ast.AST, str] = {}
        self._place(self.tree, "")

    def _place(self, node: ast.AST, within: str) -> None:
        for child in ast.iter_child_nodes(node):
            inside = within
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = f"{within}.{child.name}".lstrip(".")
            self.function[child] = within if inside == within else inside
            self._place(child, inside)

    def problems(self) -> Iterator[Problem]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Dict):
                yield from self._action(node)
            elif isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and self.name != "pbx/code_rules.py":
                yield from self._text(node, node.value)

    def _problem(self, node: ast.expr, rule: str, sentence: str, mend: str) -> Problem:
        return Problem(self.name, node.lineno, rule, sentence, mend)

    # --- actions ---------------------------------------------------------------------------------------------------

    def _action(self, node: ast.Dict) -> Iterator[Problem]:
        """`{"Action": "Name", …}`."""
        fields = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
                  if isinstance(key, ast.Constant) and isinstance(key.value, str)}  # fmt: skip
        given = next((value for key, value in fields.items() if key.casefold() == "action"), None)
        if given is None:
            return
        name = given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
        where = self.function.get(node, "")
        if name in AMI_NEVER:
            yield self._problem(node, "ami-never", f"{name} may end, tear or time a call.", "Remove it.")
        elif self.name != "pbx/actions.py":
            if name is not None and name[:1].isupper():
                yield self._problem(node, "ami-by-hand", f"{name} is built here.", "Build it in pbx/actions.py.")
        elif name is None or name not in ACTIONS:
            mend = "Remove it, or add it to pbx/code_rules.py with its place."
            yield self._problem(node, "ami-unknown", f"{name or 'A computed action'} is not known.", mend)
        elif where not in ACTIONS[name]:
            allowed = ", ".join(ACTIONS[name])
            yield self._problem(
                node, "ami-misplaced", f"{name} is built in {where}; its place is {allowed}.", "Move it."
            )
        else:
            yield from self._said(node, name, fields)

    def _said(self, node: ast.Dict, name: str, fields: dict[str, ast.expr]) -> Iterator[Problem]:
        for header, allowed in SAYS.get(name, {}).items():
            value = fields.get(header)
            if not (isinstance(value, ast.Constant) and value.value in allowed):
                sentence = f"{name} has another {header} than {', '.join(allowed)}."
                yield self._problem(node, "ami-misplaced", sentence, "Remove it, or add it with its reason.")

    # --- calls -----------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Iterator[Problem]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        where = self.function.get(node, "")
        here = f"{self.name}: {where}"
        if name in COMMANDS and here not in COMMANDS[name]:
            sentence = f"{name} is asked for in {where or 'the module'}; its place is {', '.join(COMMANDS[name])}."
            yield self._problem(node, "command-misplaced", sentence, "Move it, or add the place with its reason.")
        elif name in _SENDERS or (name == "WireAction" and self.name != _SESSION):
            yield self._problem(node, "ami-by-hand", f"{name} passes our guards by.", "Send a command.")
        elif name in CALLERS and self.name == "pbx/actions.py" and where not in CALLERS[name]:
            sentence = f"{where} hangs up a leg; only {' and '.join(CALLERS[name])} may."
            yield self._problem(node, "ami-misplaced", sentence, "Remove it.")
        elif name in {"console", "console_says", "ask"}:
            yield from self._console(node, name, here)
        if name in SIGNALS and not here.startswith(SIGNALLERS):
            yield self._problem(
                node, "stops-calls", f"{name} is called here.", "Stop the PBX by RunningPbx.stop alone."
            )
        yield from self._stops(node, name, where)

    def _console(self, node: ast.Call, name: str, here: str) -> Iterator[Problem]:
        """`….console("…")`, `console.ask(socket, "…")`; `Session.ask` takes an action and no text."""
        if name == "ask":
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            if not (isinstance(owner, ast.Name) and owner.id == "console"):
                return
        at = 0 if name == "console" else 1
        if len(node.args) <= at or here in CONSOLE_BUILDERS:
            return
        said = _text_of(node.args[at])
        if said is None or not CONSOLE.fullmatch(said):
            sentence = f"{said or 'A computed command'} is no console command that only looks."
            yield self._problem(node, "console-command", sentence, "Remove it: it belongs into a person's hands.")

    def _stops(self, node: ast.Call, name: str, where: str) -> Iterator[Problem]:
        without_waiting = any(
            word.arg == "let_calls_end" and not (isinstance(word.value, ast.Constant) and word.value.value is True)
            for word in node.keywords
        )
        if without_waiting and (self.name, where) != ("pbx/process.py", "_refuse_deaf"):
            yield self._problem(node, "stops-calls", "The PBX is stopped with its calls.", "Let calls end first.")
        elif self.name == "pbx/process.py" and where not in STOPPERS.get(name, {where}):
            yield self._problem(node, "stops-calls", f"{where} ends the PBX's process.", "Use RunningPbx.stop.")

    def _text(self, node: ast.Constant, text: str) -> Iterator[Problem]:
        if _BY_HAND.search(text):
            yield self._problem(node, "ami-by-hand", "An action is written as text.", "Build it in pbx/actions.py.")


def _text_of(node: ast.expr) -> str | None:
    """A constant, or an f-string with its names in braces."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _name_of(part) for part in node.values)
    return None


def _name_of(part: ast.expr) -> str:
    named = part.value if isinstance(part, ast.FormattedValue) else None
    return f"{{{named.id if isinstance(named, ast.Name) else '?'}}}"
