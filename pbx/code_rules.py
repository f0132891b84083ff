"""Our own code against what it may ask of Asterisk: each action from one named place, each command from one.

    ACTIONS = {"Hangup": ("_hang_up_a_leg",), …}      # functions of pbx/actions.py

Read from the source, without running it: an import is followed to what it stands for, and what is guarded may not be
renamed or handed on. What is not named is a finding.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pbx.code_names import Function, Names, as_text, called_or_typed, last
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
    r"|dialplan show globals|queue show|pjsip show (settings|identifies|\{kind\}s|\{kind\} \{name\})"
)
CONSOLE_BUILDERS = {"pbx/process.py: RunningPbx.console", "pbx/loaded.py: console_says"}
#: Those that do something, each from one place: the carrier's names are looked up anew, and no call notices.
CONSOLE_DEEDS = {"module reload res_pjsip.so": "pbx/carrier.py: CarrierNames.look"}
#: Where the PBX's process may be ended: calls end first, or it never took one, or a test asks for it.
STOPPERS = {"_end": {"RunningPbx._go", "RunningPbx.kill"}, "_go": {"RunningPbx.stop", "_refuse_deaf"}}
#: Where a process may be sent a signal: the PBX after its calls, or one that never took any; else none of the PBX's.
SIGNALS = {"kill", "terminate", "send_signal", "killpg", "pidfd_send_signal"}
SIGNALLERS = (
    "pbx/process.py: _end", "pbx/process.py: _ready", "service/cli/keeper.py: ", "service/cli/single.py: ",
    "service/cli/demo/play.py: ",
)  # fmt: skip
#: What starts a program or loads code by name, and where that is done: `asterisk -rx` would pass every guard by.
STARTS = re.compile(
    r"subprocess\.(run|Popen|call|check_call|check_output|getoutput|getstatusoutput)|pty\.spawn|.*\.subprocess_(exec|shell)"
    r"|os\.(system|popen|exec\w+|spawn\w+|posix_spawnp?)|asyncio\.(subprocess\.)?create_subprocess_(exec|shell)"
    r"|importlib\.(import_module|__import__)|\?\.(__import__|eval|exec)|runpy\.\w+"
)
STARTERS = {
    "pbx/fetch.py: _attempt", "pbx/fetch.py: _proxies", "pbx/install.py: _version", "pbx/process.py: _launch",
    "pbx/process.py: _open_files", "pbx/prompts.py: _run", "pbx/requirements.py: _apt", "pbx/ways.py: _allowed",
    "pbx/ways.py: _refuse_unreachable", "service/cli/demo/play.py: _speak", "service/cli/demo/play.py: _sipp",
    "service/store/tables.py: metadata",
}  # fmt: skip
#: Where an action becomes bytes.
_WIRE = {"pbx/session.py", "pbx/protocol.py"}
#: They name a field of the log and a column of the audit trail.
_OTHER_ACTIONS = {"service/log.py", "service/store/migrations/versions/0001_first.py"}
_BY_HAND = re.compile(r"(?i)(^|\\r\\n|\n|\r)\s*action:")
_CONSOLE_BY_HAND = re.compile(
    r"(?i)cli quit after|(^|\s)-\w*r\w*x\b|^core (stop|restart)( now| gracefully)?$|^channel request hangup \S+$"
)
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
        self.names = Names(self.tree, name)
        self.function: dict[ast.AST, str] = {}
        self._place(self.tree, "")
        self.plain = called_or_typed(self.tree)
        #: where the word Action may stand: the key of an action that is built, or is looked at
        self.keys: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Dict):
                self.keys.update(key for key in node.keys if key is not None)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                self.keys.add(node.slice)

    def _place(self, node: ast.AST, within: str) -> None:
        for child in ast.iter_child_nodes(node):
            inside = within
            if isinstance(child, Function | ast.ClassDef):
                inside = f"{within}.{child.name}".lstrip(".")
            self.function[child] = within if inside == within else inside
            self._place(child, inside)

    def problems(self) -> Iterator[Problem]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Dict):
                yield from self._action(node)
            elif isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Constant) and self.name != "pbx/code_rules.py":
                yield from self._text(node, as_text(node.value) or "")
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._import(node)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                yield from self._name(node)

    def _problem(self, node: ast.expr | ast.stmt, rule: str, sentence: str, mend: str) -> Problem:
        return Problem(self.name, node.lineno, rule, sentence, mend)

    # --- actions ---------------------------------------------------------------------------------------------------

    def _action(self, node: ast.Dict) -> Iterator[Problem]:
        """`{"Action": "Name", …}`."""
        fields = {
            text.casefold(): value
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None and (text := self.names.text(key)) is not None
        }
        given = fields.get("action")
        if given is None:
            return
        name = given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
        where = self.function.get(node, "")
        if name in AMI_NEVER:
            yield self._problem(node, "ami-never", f"{name} may end, tear or time a call.", "Remove it.")
        elif self.name != "pbx/actions.py":
            sentence = f"{name or 'A computed action'} is built here."
            yield self._problem(node, "ami-by-hand", sentence, "Build it in pbx/actions.py.")
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
            value = fields.get(header.casefold())
            if not (isinstance(value, ast.Constant) and value.value in allowed):
                sentence = f"{name} has another {header} than {', '.join(allowed)}."
                yield self._problem(node, "ami-misplaced", sentence, "Remove it, or add it with its reason.")

    def _made(self, node: ast.Call, name: str) -> Iterator[Problem]:
        """`Action(…)`, of what is read above; `dict(Action=…)`, which nobody would read."""
        if name.endswith("panoramisk.actions.Action"):
            if self.name != _SESSION:
                yield self._problem(node, "ami-by-hand", "An action passes our guards by.", "Send a command.")
        elif name in {"pbx.actions.Action", "?.Action"} and self.name != "pbx/actions.py":
            yield self._problem(node, "ami-by-hand", "An action is built here.", "Build it in pbx/actions.py.")
        elif name in {"pbx.actions.Action", "?.Action"} and not self._is_read(node):
            yield self._problem(node, "ami-unknown", "A computed action is not known.", "Write its fields out.")
        for word in node.keywords:
            ours = last(name) in {"dict", "update"} or word.arg != "action"
            if word.arg and word.arg.casefold() == "action" and ours:
                mend = "Write it as a key, in pbx/actions.py."
                yield self._problem(node, "ami-by-hand", "An action is built by a keyword.", mend)

    def _is_read(self, node: ast.Call) -> bool:
        """Its fields stand there, or in a name that is given them in the same function, and nothing else."""
        given = node.args[0] if node.args else None
        if isinstance(given, ast.Name):
            here = self.function.get(node)
            said = [
                a.value
                for a in ast.walk(self.tree)
                if isinstance(a, ast.Assign) and self.function.get(a) == here
                and any(isinstance(t, ast.Name) and t.id == given.id for t in a.targets)
            ]  # fmt: skip
            given = said[0] if len(said) == 1 else None
        return isinstance(given, ast.Dict) and any(
            key is not None and self.names.text(key) == "Action" for key in given.keys
        )

    # --- calls -----------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Iterator[Problem]:
        full = self.names.of(node.func)
        name = last(full)
        where = self.function.get(node, "")
        here = f"{self.name}: {where}"
        if name in COMMANDS and here not in COMMANDS[name]:
            sentence = f"{name} is asked for in {where or 'the module'}; its place is {', '.join(COMMANDS[name])}."
            yield self._problem(node, "command-misplaced", sentence, "Move it, or add the place with its reason.")
        elif name in _SENDERS or (name == "WireAction" and self.name != _SESSION):
            yield self._problem(node, "ami-by-hand", f"{name} passes our guards by.", "Send a command.")
        elif name in CALLERS and (self.name != "pbx/actions.py" or where not in CALLERS[name]):
            sentence = f"{where} hangs up a leg; only {' and '.join(CALLERS[name])} may."
            yield self._problem(node, "ami-misplaced", sentence, "Remove it.")
        if name in SIGNALS and not here.startswith(SIGNALLERS):
            yield self._problem(
                node, "stops-calls", f"{name} is called here.", "Stop the PBX by RunningPbx.stop alone."
            )
        yield from self._made(node, full)
        yield from self._stops(node, name, where)
        if here not in CONSOLE_BUILDERS:
            yield from self._console(node, node.func, 0)
            for at, argument in enumerate(node.args, start=1):  # asyncio.to_thread(console.ask, …)
                yield from self._console(node, argument, at)

    def _console(self, node: ast.Call, function: ast.expr, begin: int) -> Iterator[Problem]:
        """`….console("…")`, `console.ask(socket, "…")`: `function` is asked with the arguments from `begin` on."""
        at = self._console_text(function)
        if at is None:
            return
        given = [word.value for word in node.keywords if word.arg == "command"] or node.args[begin + at :][:1]
        unread = any(isinstance(argument, ast.Starred) for argument in node.args) or not given
        said = None if unread else self.names.text(given[0])
        here = f"{self.name}: {self.function.get(node, '')}"
        if said is None or not (CONSOLE.fullmatch(said) or CONSOLE_DEEDS.get(said) == here):
            sentence = f"{said or 'A computed command'} is no console command that only looks."
            yield self._problem(node, "console-command", sentence, "Remove it: it belongs into a person's hands.")

    def _console_text(self, function: ast.AST) -> int | None:
        """At which argument the command stands; None for what does not ask the console."""
        name = self.names.of(function)
        if last(name) == "console_says" or name.endswith(".console.ask"):
            return 1
        return 0 if last(name) == "console" and name != "pbx.console" else None

    def _stops(self, node: ast.Call, name: str, where: str) -> Iterator[Problem]:
        without_waiting = any(
            word.arg == "let_calls_end" and not (isinstance(word.value, ast.Constant) and word.value.value is True)
            for word in node.keywords
        )
        unread = name == "stop" and any(word.arg is None for word in node.keywords)
        if (without_waiting or unread) and (self.name, where) != ("pbx/process.py", "_refuse_deaf"):
            yield self._problem(node, "stops-calls", "The PBX is stopped with its calls.", "Let calls end first.")
        elif self.name == "pbx/process.py" and where not in STOPPERS.get(name, {where}):
            yield self._problem(node, "stops-calls", f"{where} ends the PBX's process.", "Use RunningPbx.stop.")

    # --- names and texts -------------------------------------------------------------------------------------------

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Problem]:
        of = self.names.origin(node) if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            name = last(alias.name)
            if alias.name == "*" and of.startswith(("pbx", "service", "panoramisk", "subprocess", "os")):
                mend = "Import what is used, by its name."
                yield self._problem(node, "ami-by-hand", f"Nobody can tell what of {of} is used here.", mend)
            elif alias.asname not in {None, name} and name in {*COMMANDS, *CALLERS}:
                rule = "command-misplaced" if name in COMMANDS else "ami-misplaced"
                yield self._problem(node, rule, f"{name} is called {alias.asname} here.", "Leave it its name.")
            elif f"{of}.{alias.name}".lstrip(".").partition(".")[0] == "panoramisk" and self.name not in _WIRE:
                yield self._problem(node, "ami-by-hand", "Its actions pass our guards by.", "Send a command.")

    def _name(self, node: ast.Name | ast.Attribute) -> Iterator[Problem]:
        """What starts programs, anywhere; what is guarded, where it is handed on instead of called."""
        full = self.names.of(node)
        name, here = last(full), f"{self.name}: {self.function.get(node, '')}"
        if STARTS.fullmatch(full) and here not in STARTERS:
            mend = "Remove it, or add the place to pbx/code_rules.py with its reason."
            yield self._problem(node, "starts-programs", f"{full.removeprefix('?.')} is used here.", mend)
        elif full.startswith("pbx.actions._") and self.name != "pbx/actions.py":
            yield self._problem(node, "ami-misplaced", f"{name} is pbx/actions.py's own.", "Send a command.")
        elif node not in self.plain:
            yield from self._handed_on(node, full)

    def _handed_on(self, node: ast.Name | ast.Attribute, full: str) -> Iterator[Problem]:
        name, rule = last(full), ""
        if name in COMMANDS and self.name != "pbx/actions.py":
            rule = "command-misplaced"
        elif name in CALLERS or name in _SENDERS:
            rule = "ami-misplaced"
        elif name in SIGNALS and (full.startswith(("os.", "signal.")) or isinstance(node, ast.Attribute)):
            rule = "stops-calls"
        elif self._console_text(node) is not None and not self._is_argument(node):
            rule = "console-command"
        if rule:
            sentence = f"{name} is handed on here: nobody can tell what becomes of it."
            yield self._problem(node, rule, sentence, "Call it where it stands.")

    def _is_argument(self, node: ast.AST) -> bool:
        """Then it was read with the call."""
        return any(isinstance(call, ast.Call) and node in call.args for call in ast.walk(self.tree))

    def _text(self, node: ast.Constant, text: str) -> Iterator[Problem]:
        if _BY_HAND.search(text):
            yield self._problem(node, "ami-by-hand", "An action is written as text.", "Build it in pbx/actions.py.")
        elif text.casefold() == "action" and self.name not in _OTHER_ACTIONS:
            if self.name != "pbx/actions.py" or node not in self.keys:
                mend = "Write it as a key, in pbx/actions.py."
                yield self._problem(node, "ami-by-hand", "An action is built piece by piece.", mend)
        elif _CONSOLE_BY_HAND.search(text) and self.name != "pbx/console.py":
            yield self._problem(node, "console-command", "The console is asked by hand.", "Use pbx/console.py.")
