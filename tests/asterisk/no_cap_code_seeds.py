"""Violations in our own code and in what runs the PBX, beside those of no_cap_seeds: other ways of writing the same."""

from __future__ import annotations

from tests.asterisk.no_cap_seeds import ACTIONS, CodeSeed

PUMP, DOWN = "service/pump.py", "service/cli/down.py"
STOP = "core stop now"


def _each(rule: str, file: str, *sources: str) -> list[CodeSeed]:
    return [CodeSeed(file, f"{source}\n", rule) for source in sources]


CODE_SEEDS = [
    *_each(
        "console-command", DOWN,
        f'from pbx.console import ask\nask(s, "{STOP}")',
        f'from pbx.console import ask as tell\ntell(s, "{STOP}")',
        f'import pbx.console as c\nc.ask(s, "{STOP}")',
        f'import pbx.console\npbx.console.ask(s, "{STOP}")',
        f'from pbx import console as c\nc.ask(s, "{STOP}")',
        f'from ...pbx import console as c\nc.ask(s, "{STOP}")',
        f'from pbx.process import console\nconsole.ask(s, "{STOP}")',
        f'console.ask(s, command="{STOP}")',
        f'pbx.console(command="{STOP}")',
        'pbx.console(*said)',
        'pbx.console(**said)',
        'pbx.console()',
        f'SAID = "{STOP}"\npbx.console(SAID)',
        'SAID = "module show"\nSAID = other\npbx.console(SAID)',
        f'asyncio.to_thread(console.ask, s, "{STOP}")',
        f'asyncio.to_thread(pbx.console, "{STOP}")',
        f'functools.partial(console.ask, command="{STOP}")',
        f'tell = console.ask\ntell(s, "{STOP}")',
        f'tell = running.console\ntell("{STOP}")',
        f'getattr(running, "console")("{STOP}")',
        f'console.ask.__call__(s, "{STOP}")',
        f'from pbx import console\nconsole.ask.__call__(s, "{STOP}")',
        'class Told(RunningPbx):\n    say = RunningPbx.console',
        f'from pbx.loaded import console_says as says\nsays(layout, "{STOP}")',
        f'connection.sendall(b"cli quit after {STOP}\\0")',
        'connection.sendall(f"cli quit after {said}\\0".encode())',
    ),
    *_each(
        "console-command", "pbx/carrier.py",
        'class CarrierNames:\n    def look(self, r):\n        r.console("module reload app_queue.so")',
        'def look(r):\n    r.console("module reload res_pjsip.so")',
    ),
    *_each(
        "console-command", "pbx/install.py",
        f'def _version(c):\n    subprocess.run(["asterisk", "-rx", "{STOP}"])',
        f'def _version(c):\n    subprocess.run("asterisk -vrx \'{STOP}\'")',
        f'def _version(c):\n    subprocess.run(["asterisk", "-r", "-x", "{STOP}"])',
    ),
    *_each(
        "starts-programs", PUMP,
        'import subprocess\nsubprocess.run(["asterisk", "-rx", "channel request hangup all"])',
        'import subprocess as s\ns.Popen(command)',
        'from subprocess import check_output as say\nsay(command)',
        'import subprocess\nrun = subprocess.run',
        'import os\nos.system(command)',
        'from os import execvp\nexecvp(command, [])',
        'import asyncio\nasyncio.create_subprocess_exec(command)',
        'loop.subprocess_shell(make, command)',
        'import importlib\nimportlib.import_module(name)',
        '__import__(name)',
        'exec(code)',
    ),
    *_each(
        "ami-by-hand", PUMP,
        'w.write(b"Action: Hangup\\r\\nChannel: x\\r\\n\\r\\n")',
        'w.write(f"Action: {name}\\r\\n".encode())',
        'text = "ActionID: 1\\r\\naction: Hangup"',
        'dict(Action="Redirect")',
        'dict(action=name)',
        'fields.update(ACTION="Hangup")',
        'a["Action"] = "Hangup"',
        'a["action"] = name',
        'a.setdefault("Action", "Hangup")',
        'a = dict([("Action", "Hangup")])',
        'a = {"Action": name}',
        'a = {"action": "hangup"}',
        'WORD = "Action"\na = {WORD: "Hangup"}',
        'from pbx.actions import Action as A\nA(fields)',
        'from panoramisk.actions import Action as A\nA(fields)',
        'import panoramisk',
        'from pbx.commands import *',
        'from subprocess import *',
    ),
    *_each(
        "ami-by-hand", ACTIONS,
        'def _hang_up_a_leg():\n    a = {}\n    a["Action"] = "Hangup"\n    return a',
        'def list_legs():\n    return Action(dict(Action="Redirect"))',
    ),
    *_each(
        "ami-unknown", ACTIONS,
        'def of(fields):\n    return Action(fields)',
        'def of(fields):\n    return Action({**fields})',
        'def ping(x):\n    a = {"Action": "Ping"}\n    a = x\n    return Action(a)',
    ),
    *_each(
        "ami-misplaced", PUMP,
        'from pbx import actions\nactions._hang_up_a_leg(channel, "16")',
        'from pbx.actions import _hang_up_a_leg\n_hang_up_a_leg(channel, "16")',
        'from pbx.actions import _hang_up_a_leg as tidy\ntidy(channel, "16")',
        'from pbx import actions\nactions._end_conversation(command)',
        'send = manager.send_action',
    ),
    CodeSeed(ACTIONS, "def _tidy(c):\n    end = _hang_up_a_leg\n    return end(c, '16')\n", "ami-misplaced"),
    *_each(
        "command-misplaced", PUMP,
        'from pbx.commands import EndConversation as E\nE(pbx=1, channel=c)',
        'from service.listeners.use_cases import EndConversation as E\nE(pbx=1, channel=c)',
        'import pbx.commands as c\nc.EndConversation(pbx=1, channel=x)',
        'from pbx import commands\nE = commands.EndConversation\nE(pbx=1, channel=c)',
        'from pbx.commands import EndConversation\nends = [EndConversation]',
        'from pbx.commands import EndConversation\nclass E(EndConversation):\n    pass\nE(pbx=1, channel=c)',
        'from pbx.commands import EndConversation\nfunctools.partial(EndConversation, pbx=1)()',
        'from pbx import commands\ngetattr(commands, "EndConversation")(pbx=1, channel=c)',
    ),
    *_each(
        "stops-calls", DOWN,
        'from os import kill as end\nend(pid, 9)',
        'import os\nend = os.kill\nend(pid, 9)',
        'end = running.kill\nend()',
        'running.stop(tell, **how)',
    ),
]  # fmt: skip

#: In docker-compose.yml: old → new.
COMPOSE_SEEDS = [
    ("image: ecoute:local", "image: ecoute:local\n  mem_limit: 512m"),
    ("image: ecoute:local", 'image: ecoute:local\n  healthcheck: { test: "exit 1" }'),
    ("x-image: &image", "x-more: &more\n  cpus: 0.5\nx-image: &image\n  <<: *more"),
    ("x-image: &image", "x-more: &more\n  cpus: 0.5\nx-image: &image\n  <<: [*more]"),
    ("<<: *image", "<<: *other"),
    ("<<: *image", "<<: [*image, *other]"),
    ("<<: *image", "<<: { mem_limit: 512m }"),
    ("<<: *image", "<<:\n      mem_limit: 512m"),
    ("name: ecoute", "name: ecoute\ninclude: [more.yml]"),
    ("    image: debian:12-slim", "    <<: *image"),
    ("image: debian:12-slim", "image: ecoute:local"),
    ("image: debian:12-slim", "image: debian:12-slim\n    pull_policy: always"),
    ('entrypoint: ["sleep", "infinity"]', 'entrypoint: ["sleep", "3600"]'),
    ('command: ["pbx", "run", "pbx1"]', 'command: ["down"]'),
    ('command: ["pbx", "run", "pbx1"]', 'command: ["pbx", "run"]\n    entrypoint: ["timeout", "3600", "ecoute"]'),
    ('command: ["pbx", "run", "pbx1"] # by name: when it stops, the service goes on\n    restart: unless-stopped',
     'command: ["pbx", "run", "pbx1"]\n    restart: "no"'),
    ('network_mode: "service:net"', 'network_mode: "service:service"'),
    ('pid: "service:net" #', 'pid: "service:service" #'),
    ("depends_on: [net]", "depends_on: { net: { condition: service_started, restart: true } }"),
    ("depends_on: [net]", "depends_on:\n      service:\n        condition: service_healthy\n        restart: true"),
]  # fmt: skip

#: Docker reads each in place of docker-compose.yml, or on top of it.
COMPOSE_FILES = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
)

#: In the unit of the PBX: old → new.
UNIT_SEEDS = [
    *(
        (f"{line}\n", "")
        for line in (
            "StartLimitIntervalSec=0",
            "ExecStart=/opt/ecoute/.venv/bin/ecoute pbx run %i",
            "Restart=always",
            "RestartSec=1s",
            "TimeoutStopSec=infinity",
            "KillMode=process",
            "LimitNOFILE=131072",
            "TasksMax=infinity",
            "OOMPolicy=continue",
        )
    ),
    ("LimitNOFILE=131072", "LimitNOFILE=4096"),
    ("LimitNOFILE=131072", "LimitNOFILE="),
    ("Restart=always", "Restart=on-failure"),
    ("RestartSec=1s", "RestartSec=1h"),
    ("TimeoutStopSec=infinity", "TimeoutStopSec=90"),
    ("TimeoutStopSec=infinity", "TimeoutStopSec=\\\ninfinity"),
    ("KillMode=process", "KillMode=mixed"),
    ("KillMode=process", "KillMode=control-group"),
    ("OOMPolicy=continue", "OOMPolicy=kill"),
    ("StartLimitIntervalSec=0", "StartLimitIntervalSec=10"),
    *(
        ("Restart=always", f"Restart=always\n{line}")
        for line in (
            "ExecStop=/opt/ecoute/.venv/bin/ecoute down",
            "ExecStop=/bin/kill $MAINPID",
            "ExecStopPost=/usr/bin/pkill asterisk",
            "ExecStartPre=/usr/sbin/asterisk -rx 'core stop now'",
            "RuntimeMaxSec=86400",
            "MemoryMax=1G",
            "CPUQuota=50%",
            "CPUWeight=idle",
            "WatchdogSec=30",
            "TimeoutSec=90",
            "RestartPreventExitStatus=1",
            "BindsTo=ecoute.service",
        )
    ),
    ("ExecStart=/opt", "ExecStart=/usr/bin/timeout 3600 /opt"),
    *(
        ("[Service]", f"{line}\n[Service]")
        for line in (
            "PartOf=ecoute.service",
            "BindsTo=ecoute.service",
            "Requires=ecoute.service",
            "Requisite=ecoute.service",
            "Conflicts=shutdown.target",
            "StopWhenUnneeded=yes",
            "StopPropagatedFrom=ecoute.service",
            "OnFailure=emergency.target",
            "JobTimeoutSec=60",
            "FailureAction=reboot",
        )
    ),
    ("[Install]", "[Install]\nAlso=other.service"),
    ("[Install]", "[X-Other]\nMemoryMax=1G\n[Install]"),
]
#: In the unit of the service: what would stop the PBX along with it.
SERVICE_UNIT_SEEDS = [
    ("[Service]", "PropagatesStopTo=ecoute-pbx@pbx1.service\n[Service]"),
    ("[Service]", "Conflicts=ecoute-pbx@pbx1.service\n[Service]"),
    ("ecoute serve", "ecoute up"),
    ("Restart=always", "Restart=always\nExecStop=/opt/ecoute/.venv/bin/ecoute down"),
]
