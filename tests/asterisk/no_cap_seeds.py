"""Violations to be planted, one at a time: each is to be found by the rule that is meant for it."""

from __future__ import annotations

from typing import NamedTuple


class Seed(NamedTuple):
    """In `file` below etc/, `old` becomes `new`; an empty `old` adds `new` at its end, or makes the file."""

    file: str
    old: str
    new: str
    rule: str


ENTRY, WAITING, LISTENER, OVERFLOW = (f"dialplan/{name}.conf" for name in ("entry", "waiting", "listener", "overflow"))
SAY = "Playback(welcome)"
QUEUE = "Queue(national,ciIb(member^s^1),,,${ROUND},,connected)"
RING = "Dial(${LISTENER},${LEFT},giImb(member^s^1)U(connected))"
PHONE, PAGE, TRUNK = "[l2](sip-phone)", "[l1](browser-phone)", "[trunk](trunk-common)"
PHONES, TRUNKS = "generated/pjsip_phones.conf", "generated/pjsip_trunk.conf"


def _instead(rule: str, *lines: str) -> list[Seed]:
    """In the place of the welcome."""
    return [Seed(ENTRY, SAY, line, rule) for line in lines]


def _queue(rule: str, *changed: str) -> list[Seed]:
    return [Seed(WAITING, QUEUE, line, rule) for line in changed]


def _in(file: str, rule: str, *pairs: tuple[str, str]) -> list[Seed]:
    return [Seed(file, old, new, rule) for old, new in pairs]


TIME = [
    *_instead(
        "timeout-absolute",
        "Set(TIMEOUT(absolute)=360)",
        "Set(timeout(absolute)=360)",
        "Set(EXPORT(${CALLER_LEG},timeout(absolute))=360)",
        "NoOp(${TIMEOUT(absolute)})",
        "ExecIf($[1]?Set(TIMEOUT(absolute)=360))",
    ),
    *_instead("timeout-digits", "Set(TIMEOUT(digit)=1)", "Set(TIMEOUT(response)=1)"),
    Seed(OVERFLOW, "exten => t,1,Goto(waiting,s,1)", "", "digits-without-exit"),
    Seed(OVERFLOW, "exten => i,1,Goto(waiting,s,1)", "", "digits-without-exit"),
    *_instead(
        "limits",
        "Set(LIMIT_PLAYAUDIO_CALLER=yes)",
        "Set(__QUEUE_MAX_PENALTY=1)",
        "Set(EXITCONTEXT=keys)",
        "Set(EXPORT(${CALLER_LEG},DYNAMIC_FEATURES)=disconnect)",
        "ExecIf($[1]?Set(LIMIT_WARNING_FILE=x))",
    ),
    Seed("generated/globals.conf", "GRACE = 20", "GRACE = 20\nLIMIT_TIMEOUT_FILE = x", "limits"),
]
DIAL = [
    *(
        Seed(LISTENER, RING, RING.replace("giI", f"giI{option}"), "dial-option")
        for option in ("L(360000)", "S(360)", "h", "H", "k", "K", "t", "T", "x", "w", "d", "C", "A(x)", "F", "q", "1")
    ),
    Seed(LISTENER, RING, RING.replace("giI", "iI"), "dial-without-g"),
    *_instead("dial-from-here", "Dial(PJSIP/x,30,g)", "dial(PJSIP/x,30,g)", "ExecIf($[1]?Dial(PJSIP/x,30,g))"),
    Seed(LISTENER, RING, f"{RING}\n same => n,Hangup()", "dial-leads-nowhere"),
    *_instead("dials-again", "RetryDial(x,1,1,PJSIP/x)", "FollowMe(x)", "Page(PJSIP/x)"),
]
QUEUE_APP = [
    *_instead("queue-from-here", "Queue(national,c)"),
    *(seed for option in "nCdhHkKtTwWxXrR" for seed in _queue("queue-option", QUEUE.replace("ciI", f"ciI{option}"))),
    *_queue("queue-without-c", QUEUE.replace("ciI", "iI")),
    *_queue(
        "queue-argument",
        QUEUE.replace(",,,${ROUND}", ",http://x,,${ROUND}"),
        QUEUE.replace(",,connected", ",agi.sh,connected"),
        QUEUE.replace(",connected", ",connected,rule"),
        QUEUE.replace(",connected", ",connected,,1"),
    ),
    *_queue("queue-time-out", QUEUE.replace("${ROUND}", "300"), QUEUE.replace("${ROUND}", "${GRACE}")),
    Seed(WAITING, "Set(QUEUE_PRIO=", "Set(QUEUE_PRIORITIES=", "queue-without-rank"),
    Seed(WAITING, "Set(QUEUE_PRIO=$[2147483647 - ${ARRIVED}])", "Set(QUEUE_PRIO=0)", "queue-without-rank"),
    *_queue("queue-leads-nowhere", f"{QUEUE}\n same => n,Hangup()", f"{QUEUE}\n same => n,ExecIf($[1]?Hangup())"),
    *_in(
        WAITING,
        "queue-status-unhandled",
        ("exten => status-WITHDRAW,1", "exten => status-GONE,1"),
        ("exten => status-LEAVEEMPTY,1,Goto(again,1)", ""),
        ("exten => status-,1,Goto(again,1)", ""),
        ("exten => status-JOINUNAVAIL,1,Goto(again,1)", ""),
    ),
]
FLOW = [
    *_instead(
        "hangup", "Hangup()", "ExecIf($[1]?Hangup(16))", "hangup(16)", "Set(ENDED_BY=listener)\n same => n,Hangup()"
    ),
    Seed(WAITING, "exten => status-FULL,1,Goto(again,1)", "exten => status-FULL,1,Hangup()", "hangup"),
    Seed("generated/hours.conf", "Set(OPEN=1)", "Hangup()", "hangup"),
    Seed(LISTENER, "GotoIf($[${CAUSE} = 31]?deliberate)", "GotoIf($[${TALKED} > 360]?deliberate)", "hangup"),
    Seed(LISTENER, " same => n,Goto(lost,s,1)\n same => n(deliberate)", " same => n(deliberate)", "hangup"),
    Seed(OVERFLOW, "GotoIf($[${CAUSE} != 16 & ${CAUSE} != 31]?centre-lost,1)", "NoOp()", "hangup"),
    *_instead(
        "application-refused",
        "Congestion()",
        "Busy()",
        "Park()",
        "SoftHangup(x)",
        "Bridge(x)",
        "ConfBridge(x)",
        "Transfer(x)",
        "ChannelRedirect(x,y,s,1)",
        "WaitExten(5)",
        "Background(welcome)",
        "DISA(x)",
    ),
    Seed(WAITING, "exten => e,1,Goto(again,1)", "exten => e,1,Wait(1)", "falls-off"),
    Seed(WAITING, "exten => i,1,Goto(again,1)", "exten => i,1,GotoIf($[1]?again,1)", "falls-off"),
    Seed(WAITING, "exten => i,1,Goto(again,1)", "exten => i,1,Goto(again,1)\nexten => i,3,Goto(again,1)", "falls-off"),
    *_instead(
        "no-such-target",
        "Goto(nowhere,s,1)",
        "Gosub(step,t,1)",
        "GotoIf($[1]?nowhere)",
        "Goto(waiting,s,no-label)",
        "Goto(waiting,s,99)",
        "Goto(${X},s,1)",
        "ExecIf($[1]?Gosub(nobody,s,1))",
    ),
    *_queue("no-such-target", QUEUE.replace(",connected", ",nowhere"), QUEUE.replace("member^s^1", "nobody^s^1")),
    Seed(LISTENER, RING, RING.replace("U(connected)", "U(nobody)"), "no-such-target"),
    Seed("dialplan/guard.conf", "ended,s,1", "gone,s,1", "no-such-target"),
    Seed("extensions.conf", '#include "dialplan/overflow.conf"', "", "no-such-target"),
    Seed(WAITING, "exten => status-FULL,1,Goto(again,1)", "exten => status-FULL,1,Goto(closed,s,1)", "enters"),
    Seed(
        WAITING,
        "exten => status-FULL,1,Goto(again,1)",
        "exten => status-FULL,1,Goto(after,deliberate)",
        "no-such-target",
    ),
    Seed(OVERFLOW, "exten => i,1,Goto(waiting,s,1)", "exten => i,1,Goto(closed,s,1)", "enters"),
    Seed(ENTRY, "Goto(waiting,s,1)", "Goto(after,s,1)", "enters"),
    Seed(ENTRY, "", "\n[queue-exit]\nexten => s,1,Goto(waiting,s,1)\n", "context-unknown"),
    Seed(ENTRY, "; Who enters: Goto from `from-trunk`", "; Goto from `from-trunk`", "context-header"),
    Seed("dialplan/trunk.conf", "[from-trunk]", "[from-trunk]\ninclude => listeners", "context-include"),
    Seed("dialplan/trunk.conf", "[from-trunk]", "[from-trunk]\nswitch => Realtime/x@y", "context-include"),
    Seed("dialplan/trunk.conf", "[from-trunk]", "[from-trunk]\nignorepat => 9", "context-include"),
    Seed("dialplan/trunk.conf", "GotoIf($[${FULL} = 1]?full,busy,1)", "Goto(full,busy,1)", "hangup"),
    Seed("dialplan/phones.conf", "exten => ready,1", "exten => l1,hint,PJSIP/l1\nexten => ready,1", "context-include"),
    Seed("dialplan/trunk.conf", "${FILTER(0-9+,${EXTEN})}", "${EXTEN}", "exten-unfiltered"),
    Seed("dialplan/trunk.conf", "${FILTER(0-9+,${EXTEN})}", "${FILTER(0-9+,${EXTEN})}${EXTEN:1}", "exten-unfiltered"),
    Seed(ENTRY, "exten => i,1,Goto", "exten => i/0199000000,1,Goto", "caller-match"),
    Seed(
        ENTRY,
        "exten => i,1,Goto(waiting,s,1)",
        "exten => i,1,Goto(waiting,s,1)\nexten => i,1,Goto(s,1)",
        "priority-twice",
    ),
    *_instead("application-unknown", "Zapeller(x)", "MusicOnHold(default)", "SayDigits(1)"),
    *_instead("application-misplaced", "PauseQueueMember(,PJSIP/l1)", "Read(KEYED,,1)", "Log(WARNING,x)"),
    Seed("modules.conf", "load = app_queue.so", "", "application-not-loaded"),
    *_instead(
        "function-unknown",
        "Set(X=${ENV(HOME)})",
        "Set(X=${FILE(/etc/passwd)})",
        "Set(ENV(X)=1)",
        "Set(X=${ODBC_CALL(1)})",
        "NoOp(${curl(x)})",
        "Set(VOLUME(TX)=-10)",
        "Set(PERIODIC_HOOK(x,s,60)=on)",
    ),
    *_instead("function-misplaced", "Set(X=${DB(line/caller_key)})", "Set(X=${UUID()})"),
    Seed("dialplan/guard.conf", "Set(STEP=0)", "Set(STEP=${DB(registrar/contact/l1)})", "function-misplaced"),
    Seed("dialplan/guard.conf", "Set(STEP=0)", "Set(DB(Queue/PersistentMembers/national)=)", "function-misplaced"),
    Seed("modules.conf", "load = func_devstate.so", "", "function-not-loaded"),
    *_instead(
        "channel-item", "Set(CHANNEL(hangup_handler_wipe)=s)", "Set(CHANNEL(parkinglot)=x)", "Set(CHANNEL(tonezone)=x)"
    ),
]
QUEUES = [
    *(
        Seed("queues.conf", f"{key} = {good}", line, rule)
        for key, good, bad, rule in (
            ("joinempty", "yes", "no", "queue-joinempty"),
            ("leavewhenempty", "no", "yes", "queue-leavewhenempty"),
            ("maxlen", "0", "10", "queue-maxlen"),
            ("autopause", "no", "all", "queue-autopause"),
            ("wrapuptime", "0", "60", "queue-wrapuptime"),
            ("ringinuse", "no", "yes", "queue-ringinuse"),
            ("autofill", "yes", "no", "queue-autofill"),
            ("persistentmembers", "yes", "no", "queue-persistentmembers"),
            ("force_longest_waiting_caller", "no", "yes", "queue-force-longest"),
            ("timeoutpriority", "conf", "app", "queue-ring"),
        )
        for line in ("", f"{key} = {bad}", f"{key.upper()} => {bad}", f"{key} = {good}\n{key} = {bad}")
    ),
    *_in("queues.conf", "queue-ring", ("timeout = 20", "timeout = 0"), ("retry = 1", "retry = 60")),
    Seed("queues.conf", "retry = 1", "retry = 1\ncontext = keys", "queue-context"),
    Seed("queues.conf", "retry = 1", "retry = 1\nmember => PJSIP/l1", "queue-member"),
    *_in(
        "queues.conf",
        "queue-rule",
        ("retry = 1", "retry = 1\ndefaultrule = later"),
        ("retry = 1", "retry = 1\nweight = 5"),
    ),
    Seed("queuerules.conf", "", "[later]\npenaltychange => 30,+3\n", "queue-rule"),
    Seed("queues.conf", "retry = 1", "retry = 1\nmonitor-format = wav", "records"),
    Seed("generated/queues.conf", "[centre-38](centre)", "[centre-38](centre)\nmaxlen = 3", "queue-maxlen"),
    Seed(
        "generated/queues.conf", "[centre-38](centre)", "[centre-38](centre)\n[national](+)\nmaxlen = 3", "queue-maxlen"
    ),
]
SIP = [
    *_in(
        "pjsip.conf",
        "endpoint-timers",
        ("timers = no", "timers = yes"),
        ("timers = yes", "timers = no"),
        ("timers_sess_expires = 1800", "timers_sess_expires = 90"),
    ),
    *_in(
        "pjsip.conf",
        "endpoint-rtp-timeout",
        ("rtp_timeout = 0", "rtp_timeout = 30"),
        ("rtp_timeout = 3\n", ""),
        ("rtp_timeout_hold = 0", "rtp_timeout_hold = 300"),
        ("rtp_timeout = 3\n", "rtp_timeout = 60\n"),
    ),
    Seed(TRUNKS, TRUNK, f"{TRUNK}\nrtp_timeout = 30", "endpoint-rtp-timeout"),
    Seed("pjsip.conf", "direct_media = no", "direct_media = yes", "endpoint-direct-media"),
    Seed("pjsip.conf", "allow = alaw,g722", "allow = alaw", "endpoint-codecs"),
    Seed("pjsip.conf", "context = from-trunk", "context = listeners", "endpoint-context"),
    Seed("pjsip.conf", "allow_transfer = no", "allow_transfer = yes", "endpoint-transfer"),
    Seed("pjsip.conf", "send_pai = no", "send_pai = yes", "endpoint-identity"),
    Seed("pjsip.conf", "trust_id_outbound = no", "", "endpoint-identity"),
    Seed(PHONES, PHONE, f"{PHONE}\ndevice_state_busy_at = 1", "endpoint-limit"),
    *_in(
        "pjsip.conf",
        "aor-contacts",
        ("max_contacts = 1", "max_contacts = 5"),
        ("remove_existing = yes", ""),
        ("remove_unavailable = yes", "remove_unavailable = no"),
    ),
    Seed("pjsip.conf", "qualify_frequency = 5", "qualify_frequency = 0", "aor-qualify"),
    Seed("generated/pjsip_transports.conf", "tcp_keepalive_enable = yes", "", "transport-keepalive"),
    Seed(
        "generated/pjsip_transports.conf",
        "protocol = ws\n",
        "protocol = ws\nwebsocket_write_timeout = 1\n",
        "transport-keepalive",
    ),
    Seed("generated/pjsip_transports.conf", "allow_reload = no", "allow_reload = yes", "transport-reload"),
    *_in(
        "pjsip.conf",
        "overload",
        ("taskprocessor_overload_trigger = pjsip_only", ""),
        ("trigger = pjsip_only", "trigger = global"),
    ),
    Seed("http.conf", "sessionlimit = 1500", "sessionlimit = 100", "http-sessions"),
    Seed("http.conf", "enable_static = no", "enable_static = yes", "http-serves"),
]
MACHINE = [
    *(
        Seed("asterisk.conf", "[options]", f"[options]\n{line}", "refuses-calls")
        for line in ("maxcalls = 100", "maxload = 2.0", "MinMemFree = 100")
    ),
    Seed("asterisk.conf", "maxfiles = 65536", "maxfiles = 1000", "open-files"),
    Seed("asterisk.conf", "maxfiles = 65536", "", "open-files"),
    *_in(
        "asterisk.conf",
        "dangerous",
        ("live_dangerously = no", "live_dangerously = yes"),
        ("execincludes = no", "execincludes = yes"),
    ),
    Seed("queues.conf", "", '#exec "/bin/true"\n', "dangerous"),
    Seed("generated/rtp.conf", "rtpend = 12000", "rtpend = 10100", "rtp-ports"),
    Seed("rtp.conf", "srtpreplayprotection = yes", "srtpreplayprotection = no", "rtp-replay"),
]
FEATURES = [
    *_in(
        "features.conf",
        "feature-key",
        ("[featuremap]", "[featuremap]\ndisconnect => *"),
        ("[featuremap]", "[featuremap]\nautomixmon => *3"),
        ("[featuremap]", "[featuremap]\nparkcall => #72"),
        ("[applicationmap]", "[applicationmap]\nend => #9,peer,Hangup"),
    ),
    Seed("features.conf", "atxferdropcall = no", "atxferdropcall = yes", "feature-transfer"),
    *(
        Seed("modules.conf", "load = app_read.so", f"load = app_read.so\nload = {name}.so", "module-refused")
        for name in (
            "app_mixmonitor",
            "res_parking",
            "func_timeout",
            "app_confbridge",
            "app_followme",
            "res_ari_bridges",
        )
    ),
    Seed("modules.conf", "load = app_read.so", "load = app_read.so\nload = app_alarmreceiver.so", "module-unknown"),
    Seed("modules.conf", "autoload = no", "autoload = yes", "modules-autoload"),
    *_instead(
        "records",
        "MixMonitor(x.wav)",
        "Record(x.wav)",
        "Monitor(wav,x)",
        "System(rm x)",
        "ChanSpy(PJSIP/l1)",
        "Set(X=${SHELL(ls)})",
        "ExecIf($[1]?MixMonitor(x.wav))",
    ),
    Seed(PHONES, PAGE, f"{PAGE}\none_touch_recording = yes", "records"),
    *_in("cdr.conf", "numbers-in-clear", ("enable = no", "enable = yes")),
    Seed("cel_custom.conf", "EventTime,", "EventTime,CallerIDnum,", "numbers-in-clear"),
    Seed("logger.conf", "warning,error", "notice,warning,error", "numbers-in-clear"),
]
MANAGER = [
    *_in(
        "manager.conf",
        "manager-rights",
        ("write = system", "write = system,command"),
        ("read = system,call,agent,user", "read = all"),
        ("write = call,agent,originate,reporting", "write = all"),
    ),
    *_in(
        "manager.conf",
        "manager-address",
        ("deny = 0.0.0.0/0.0.0.0", ""),
        ("permit = 127.0.0.1/255.255.255.255", "permit = 0.0.0.0/0.0.0.0"),
    ),
    Seed("generated/manager.conf", "bindaddr = 127.0.0.1", "bindaddr = 0.0.0.0", "manager-address"),
    *_in("manager.conf", "manager-general", ("webenabled = no", "webenabled = yes"), ("channelvars = CALL_ID", "")),
]
FILES = [
    Seed("extensions.conf", '#include "dialplan/overflow.conf"', '#include "dialplan/over.conf"', "unreadable"),
    Seed(ENTRY, "[entry]", ";-- [entry]", "unreadable"),
    Seed(ENTRY, "[closed]", "--; [closed]", "unreadable"),
    Seed("queues.conf", "[national](keeps-callers)", "[national]( keeps-callers)", "unreadable"),
    Seed("queues.conf", "[national](keeps-callers)", "[national](keeps)", "unreadable"),
    Seed("queues.conf", "maxlen = 0", "maxlen 0", "unreadable"),
    *(
        Seed(name, "", "[general]\n", "file-unknown")
        for name in (
            "extconfig.conf",
            "cli.conf",
            "extensions.ael",
            "extensions.lua",
            "confbridge.conf",
            "sorcery.conf",
            "generated/more.conf",
        )
    ),
    Seed("generated/manager_secrets.conf", "", "[witness]\nsecret = x\nwrite = all\n", "section-unknown"),
    Seed("pjsip.conf", "", "[system]\ntype = system\ntimer_b = 100\n", "section-unknown"),
    Seed("http.conf", "", "[post_mappings]\nuploads = /tmp\n", "section-unknown"),
    Seed("queues.conf", "retry = 1", "retry = 1\nrandomperiodicannounce = yes", "setting-unknown"),
    Seed(PHONES, PHONE, f"{PHONE}\nrtp_ipv6 = yes", "setting-unknown"),
    Seed("extensions.conf", "static = yes", "static = yes\nextenpatternmatchnew = yes", "setting-unknown"),
    Seed("http.conf", "enabled = yes", "enabled = yes\nsession_inactivity = 30000", "setting-unknown"),
    Seed("extensions.conf", "autofallthrough = yes", "autofallthrough = no", "setting-value"),
    Seed("queues.conf", "strategy = rrmemory", "strategy = linear", "setting-value"),
]
SEEDS = [*TIME, *DIAL, *QUEUE_APP, *FLOW, *QUEUES, *SIP, *MACHINE, *FEATURES, *MANAGER, *FILES]


class CodeSeed(NamedTuple):
    """A Python file of ours: where it would lie, what it would say."""

    file: str
    source: str
    rule: str


def _action(name: str, function: str = "list_legs", more: str = "") -> str:
    return f'def {function}():\n    return Action({{"Action": "{name}"{more}}})\n'


ACTIONS = "pbx/actions.py"
CODE_SEEDS = [
    *(
        CodeSeed(file, _action(name), "ami-never")
        for file in (ACTIONS, "service/pump.py")
        for name in (
            "AbsoluteTimeout",
            "BridgeDestroy",
            "BridgeKick",
            "Park",
            "Command",
            "Redirect",
            "MixMonitor",
            "Originate",
            "Atxfer",
            "PlayDTMF",
        )
    ),
    CodeSeed(ACTIONS, _action("QueueSummary"), "ami-unknown"),
    CodeSeed(ACTIONS, 'def of(name):\n    return Action({"Action": name})\n', "ami-unknown"),
    CodeSeed(ACTIONS, _action("Hangup", "_tidy_up"), "ami-misplaced"),
    CodeSeed(ACTIONS, _action("QueueWithdrawCaller", "_end"), "ami-misplaced"),
    CodeSeed(ACTIONS, _action("Setvar", "heartbeat", ', "Variable": "TIMEOUT(absolute)"'), "ami-misplaced"),
    CodeSeed(ACTIONS, _action("Setvar", "heartbeat", ', "Variable": variable'), "ami-misplaced"),
    CodeSeed(ACTIONS, _action("Reload", "_reload_queues", ', "Module": "res_pjsip_session.so"'), "ami-misplaced"),
    CodeSeed(ACTIONS, "def _tidy_up(c):\n    return _hang_up_a_leg(c.channel, '16')\n", "ami-misplaced"),
    CodeSeed("service/pump.py", _action("Hangup"), "ami-by-hand"),
    CodeSeed("service/pump.py", 'socket.write(b"x"); text = "Action: Hangup\\r\\nChannel: x"\n', "ami-by-hand"),
    CodeSeed("service/pump.py", 'manager.send_action({"x": "y"})\n', "ami-by-hand"),
    CodeSeed("pbx/link.py", "def ask(x):\n    return WireAction(x)\n", "ami-by-hand"),
    CodeSeed("service/pump.py", "def tick(c):\n    return EndConversation(pbx=1, channel=c)\n", "command-misplaced"),
    CodeSeed(
        "service/calls/use_cases.py", "def close(c):\n    return DropLostLeg(pbx=1, channel=c)\n", "command-misplaced"
    ),
    *(
        CodeSeed("service/cli/down.py", f'pbx.console("{said}")\n', "console-command")
        for said in (
            "core stop now",
            "core stop gracefully",
            "core restart now",
            "channel request hangup all",
            "module unload app_queue.so",
            "core show settings; core stop now",
        )
    ),
    CodeSeed("pbx/process.py", "def end(s, c):\n    return console.ask(s, c)\n", "console-command"),
    CodeSeed("service/cli/down.py", "running.stop(tell, let_calls_end=False)\n", "stops-calls"),
    CodeSeed("service/cli/down.py", "running.stop(tell, let_calls_end=fast)\n", "stops-calls"),
    CodeSeed("service/cli/down.py", "def down(running):\n    running.kill()\n", "stops-calls"),
    CodeSeed("service/cli/down.py", "import os\nos.kill(pid, 9)\n", "stops-calls"),
]

#: In docker-compose.yml: old → new.
COMPOSE_SEEDS = [
    ("ulimits: { nofile: 65536 }", "ulimits: { nofile: 1024 }"),
    ("ulimits: { nofile: 65536 }", ""),
    ("ulimits: { nofile: 65536 }", "ulimits: { nofile: 65536, rtprio: 1 }"),
    ("ulimits: { nofile: 65536 }", "ulimits: { nofile: 65536 }\n    mem_limit: 512m"),
    ("ulimits: { nofile: 65536 }", "ulimits: { nofile: 65536 }\n    cpus: 0.5"),
    ("ulimits: { nofile: 65536 }", "ulimits: { nofile: 65536 }\n    deploy: { resources: { limits: { memory: 1G } } }"),
    ("ulimits: { nofile: 65536 }", 'ulimits: { nofile: 65536 }\n    healthcheck: { test: "exit 1" }'),
    ("stop_grace_period: 12h", "stop_grace_period: 10s"),
    ("    stop_grace_period: 12h # conversations end by themselves; see `ecoute down`\n", ""),
    ("  pbx:\n    <<: *image", "  pbx: { image: x }\n  other:\n    <<: *image"),
    ('entrypoint: ["sleep", "infinity"]', 'entrypoint: ["sleep", "infinity"]\n    pids_limit: 10'),
]
