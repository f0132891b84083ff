"""The catalogue of the no-cap verifier: every mechanism that can cut a call, lose a caller or record one, and our rule.

The rules are data: what a rule allows, and where, stands in `settings_data.py`, `dialplan_data.py` and `code_rules.py`;
this file says what each is about. docs/no-cap.md is written from it (`python -m docs.no_cap_table`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from pbx.dialplan_data import (
    APPLICATIONS,
    CHANNEL_ITEMS,
    DECIDES,
    DIAL_OPTIONS,
    DIALS,
    EXTENSIONS,
    HANGUPS,
    QUEUE_NAMES,
    QUEUE_OPTIONS,
    QUEUE_ROUNDS,
)


class Layer(StrEnum):
    """By what something is proven."""

    STATIC = "static"  # the files that Asterisk would load, the code, what runs both
    LOADED = "loaded"  # what the running Asterisk has loaded, and every channel in it
    OUTCOME = "outcome"  # how every stored call ended


class Rule(NamedTuple):
    """`default`: Asterisk 22's own. `where`: the only place where it is allowed. `why`: what would happen."""

    id: str
    mechanism: str
    default: str
    rule: str
    where: str
    why: str
    layer: Layer = Layer.STATIC


class Problem(NamedTuple):
    """A finding. `file`: relative to the configuration or the checkout, or what was asked (`pbx1: dialplan`).

    `line`: from 1; 0 where there are no lines. `id`: of a rule. `mend`: what to do.
    """

    file: str
    line: int
    id: str
    sentence: str
    mend: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def _in(application: str) -> str:
    return ", ".join(f"[{context}]" for context in sorted(APPLICATIONS[application].contexts))


_ANY = "everywhere"
_NO = "nowhere"
_HANGS_UP = ", ".join(f"[{context}]: {ending.by}" for context, ending in HANGUPS.items())
_ROUNDS = ", ".join(f"[{context}]: {time}" for context, time in QUEUE_ROUNDS.items())

_TIME = (
    Rule("timeout-absolute", "TIMEOUT(absolute)", "0 (none)", "never set", _NO,
         "the PBX would hang up on a conversation after that time"),
    Rule("timeout-digits", "TIMEOUT(response), TIMEOUT(digit)", "10 s, 5 s", "never set: Read() has its own", _NO,
         "somebody who is slow with a keypad would be sent away"),
    Rule("digits-without-exit", "contexts that wait for digits", "no `t`, no `i`: the caller is hung up on",
         "they have the extensions `t` and `i`", "on a centre's own leg neither is needed", "a wrong or missing key "
         "would end the call"),
    Rule("limits", "variables that Asterisk reads (LIMIT_…, QUEUE_MAX_PENALTY, EXITCONTEXT, DYNAMIC_FEATURES, …)",
         "unset", "never set: dialplan, globals", _NO,
         "a limit, a key that ends a call or a way out of the queue would come in by a side door"),
)  # fmt: skip
_DIAL = (
    Rule("dial-option", "Dial options L(), S(), h, H, k, K, t, T, x, w, …", "none", "only those that keep the caller",
         " ".join(sorted(DIAL_OPTIONS)),
         "L and S end a conversation by the clock, the others by a key pressed by accident"),
    Rule("dial-without-g", "Dial without `g`", "hangs up on the caller when the leg ends", "always `g`", _ANY,
         "a listener whose phone is lost would take the caller along"),
    Rule("dial-from-here", "Dial", "from anywhere", "only where a caller is led to a person", _in("Dial"),
         "a call that is placed elsewhere is outside the promise that the caller comes back to the queue"),
    Rule("dial-argument", "whom Dial calls, and for how long", "-", "only whom, and as long as, it is known to",
         ", ".join(f"[{context}]: {whom}, {time}" for context, (whom, time) in DIALS.items()),
         "a caller would be led to somebody else, or to a ring without an end"),
    Rule("dial-leads-nowhere", "Dial's time-out", "none; afterwards the next priority", "what follows leads on",
         _ANY, "nobody answered, and the caller would be gone"),
    Rule("dials-again", "RetryDial, FollowMe, Page, DialByName", "-", "never", _NO,
         "they keep a caller ringing or send them on beside the queue, each with limits of its own"),
)  # fmt: skip
_QUEUE_APP = (
    Rule("queue-from-here", "Queue()", "from anywhere", "only in the two loops", _in("Queue"),
         "a caller would wait where nobody looks, and leave it by Asterisk's own ways"),
    Rule("queue-option", "Queue() options n C h H k K t T x X w W d r R", "none", "only those that keep the caller",
         " ".join(sorted(QUEUE_OPTIONS)),
         "n puts a waiting caller out, the others end, move or record a call by a key"),
    Rule("queue-without-c", "Queue() without `c`", "hangs up on the caller when the listener's leg ends", "always `c`",
         _ANY, "a reloaded page would cut the caller off"),
    Rule("queue-missing", "the queue that Queue() names", "none: left at once", "the known one; [national] is there",
         ", ".join(f"[{context}]: {name}" for context, name in QUEUE_NAMES.items()),
         "nobody would be called, and the caller sent round for ever"),
    Rule("queue-argument", "Queue() URL, announcement, AGI, rule, position", "none", "empty", _NO,
         "a position jumps the order of arrival, a rule changes it with time, an AGI may do anything"),
    Rule("queue-time-out", "Queue() timeout", "none", "only as the round of a loop that comes back",
         _ROUNDS, "a waiting caller would be put out"),
    Rule("queue-without-rank", "Queue() without QUEUE_PRIO", "0: at the end of the queue", "set before, by arrival; "
         "nobody jumps in between", _ANY, "whoever comes back would wait all over again"),
    Rule("queue-leads-nowhere", "what follows Queue()", "the end of the extension: hung up", "leads on, never Hangup",
         _ANY, "a caller who leaves the queue for any reason would be gone"),
    Rule("queue-status-unhandled", "QUEUESTATUS", "ignored", "each value has its extension, and leads on", "[waiting]",
         "a status that nobody thought of would end the call"),
)  # fmt: skip
_FLOW = (
    Rule("hangup", "Hangup()", "from anywhere", "only under the conditions named for it, told by ENDED_BY",
         f"{_HANGS_UP}; [listeners]: the listener's own phone", "only a person, in "
         "person, may end a conversation"),
    Rule("application-refused", "Busy, Congestion, SoftHangup, ChannelRedirect, Park, Bridge, Transfer, …", "-",
         "never", _NO, "they end, park or move a call, each in a way of its own"),
    Rule("falls-off", "the end of an extension", "autofallthrough: hung up",
         "each ends with Goto, Return, Hangup or a GotoIf of two branches; priorities without a gap", _ANY,
         "a call that has nowhere to go on is hung up on"),
    Rule("return", "Return", "hung up where nobody came by Gosub", "only in what is entered by Gosub, as a "
         "handler or on a leg, and in nothing else", "pbx/dialplan_data.py, SUBROUTINES",
         "the caller would be hung up on"),
    Rule("branch-unreadable", "conditions and branches of GotoIf, GosubIf, ExecIf", "cut at the first ? and :",
         "$[condition]?this:that, with no other ? or quote; what ExecIf runs is written out", _ANY,
         "what is read in the file would not be what happens"),
    Rule("extensions-of-calls", "what a call itself may come in by", "-", "all numbers from the carrier, one word from "
         "a listener's phone", "; ".join(f"[{context}]: {' '.join(sorted(s))}" for context, s in EXTENSIONS.items()),
         "callers of the line would be refused (404), or a phone could dial out"),
    Rule("shape", "the opening hours in the dialplan", "-", "built as the settings' hours are written", "[hours]",
         "the line would be closed at all hours"),
    Rule("variable-decides", "Set() of a variable on which a call hangs", "any value", "only in its contexts, only to "
         f"what is known: {', '.join(sorted(DECIDES))}", "pbx/dialplan_data.py, DECIDES",
         "a condition that is known would hold for what nobody did: the caller would be hung up on, or lose the rank"),
    Rule("variable-unknown", "Set() of a variable that is not known, or of a computed one", "any",
         "a finding, until it is added with its contexts", "pbx/dialplan_data.py, REMEMBERS",
         "Asterisk's applications read many variables: to limit, move or record a call"),
    Rule("no-such-target", "a jump to what is not there", "hung up", "every Goto, Gosub, option b, B, U exists", _ANY,
         "reaching it ends the call"),
    Rule("enters", "a jump into a context", "from anywhere", "only from the contexts named for it, into "
         "[closed] and [full] only on their condition", "pbx/dialplan_data.py, CONTEXTS, ENTERED_WHEN",
         "[closed] hangs up: whoever is waiting must never get there"),
    Rule("context-unknown", "a context", "-", "each is named in the verifier with who may enter", _ANY,
         "nobody would have looked where a caller goes from there"),
    Rule("context-header", "a context's header", "-", "says who enters, what must be set, where it leaves",
         "dialplan/", "the next change would be made by somebody who does not know"),
    Rule("context-include", "include, switch, ignorepat, hint, autohints", "none", "never", _NO,
         "an included context opens extensions that nobody looked at; from the trunk a way out"),
    Rule("exten-unfiltered", "${EXTEN} as it was dialled", "any characters", "only inside FILTER()", "FILTER(0-9+,…)",
         "what somebody dials could become an option, a second number, or an application's argument"),
    Rule("caller-match", "exten => s/NUMBER (by caller)", "-", "never", _NO,
         "a caller would be treated by their number"),
    Rule("priority-twice", "one priority written twice", "the second is ignored", "never", _NO,
         "what is read in the file would not be what happens"),
    Rule("application-unknown", "an application that is not known", "-", "a finding, until it is added with a reason",
         "pbx/dialplan_data.py", "nobody would have looked at what it does to a call"),
    Rule("application-misplaced", "an application outside its place", "from anywhere", "only in its contexts",
         "pbx/dialplan_data.py", "it was looked at in one place, and means something else in another"),
    Rule("application-argument", "Wait, Answer, Playback, Read with other arguments", "any", "a few seconds, one or "
         "two digits, a file", "pbx/dialplan_data.py, APPLICATIONS", "a caller would be kept from the queue"),
    Rule("application-not-loaded", "an application whose module is not loaded", "hung up", "loaded", _ANY,
         "reaching it ends the call"),
    Rule("function-unknown", "a function that is not known", "-", "a finding, until it is added with a reason",
         "pbx/dialplan_data.py", "functions can limit, record and run anything"),
    Rule("function-misplaced", "a function outside its place, or with other arguments", "from anywhere",
         "only in its contexts, only so", "pbx/dialplan_data.py", "it was looked at in one place alone"),
    Rule("function-not-loaded", "a function whose module is not loaded", "empty", "loaded", _ANY,
         "a decision about a caller would be taken on nothing"),
    Rule("channel-item", "Set(CHANNEL(…)=)", "any item", "only the items named", ", ".join(sorted(CHANNEL_ITEMS)),
         "others change how the call ends, or by which keys"),
)  # fmt: skip
_QUEUES = (
    Rule("queue-joinempty", "queues.conf joinempty", "yes", "yes, written out", _ANY,
         "a caller would not be let into a queue without listeners"),
    Rule("queue-leavewhenempty", "queues.conf leavewhenempty", "no", "no, written out", _ANY,
         "all waiting callers would be put out when the last listener leaves"),
    Rule("queue-maxlen", "queues.conf maxlen", "0 (none)", "0, written out", _ANY,
         "a caller would be refused because others wait"),
    Rule("queue-autopause", "queues.conf autopause", "no", "no, written out", _ANY,
         "listeners who miss a ring would leave the queue one by one, and nobody would be called"),
    Rule("queue-context", "queues.conf context", "none", "never", _NO,
         "a key pressed by accident would leave the queue"),
    Rule("queue-ring", "queues.conf timeout, retry, timeoutpriority", "15 s, 5 s, app", "a ring of 5 to 120 s, retry "
         "1 to 5 s, conf", _ANY, "with `app` a phone that rings stops when the caller's round is renewed"),
    Rule("queue-wrapuptime", "queues.conf wrapuptime", "0", "0, written out", _ANY,
         "writing-up would be timed; the listener ends it"),
    Rule("queue-ringinuse", "queues.conf ringinuse", "yes (the sample says no)", "no, written out", _ANY,
         "a listener in conversation would be rung"),
    Rule("queue-autofill", "queues.conf autofill", "yes", "yes, written out", _ANY,
         "only the first caller would be offered while others and listeners wait"),
    Rule("queue-persistentmembers", "queues.conf persistentmembers", "no", "yes, written out", _ANY,
         "after a restart of the PBX nobody would be called"),
    Rule("queue-force-longest", "queues.conf force_longest_waiting_caller", "no", "no, written out", _ANY,
         "queues stop offering calls (asterisk#1691)"),
    Rule("queue-member", "queues.conf member", "none", "never: members are dynamic", _NO,
         "the pause of a static member is lost at a restart: somebody at rest would be rung"),
    Rule("queue-rule", "queuerules.conf, defaultrule, weight, penaltymemberslimit", "none", "never", _NO,
         "a caller's rank is their arrival, whatever the time"),
)  # fmt: skip
_SIP = (
    Rule("endpoint-timers", "PJSIP timers", "yes, 1800 s", "no for browsers, yes for trunk and SIP phones", _ANY,
         "a refresh over a dead WebSocket ends a live conversation; on the trunk it finds a caller who is gone"),
    Rule("endpoint-rtp-timeout", "rtp_timeout, rtp_timeout_hold", "0", "0 on trunk and SIP phones; 1 to 3 s (on hold "
         "10 to 120) for browsers", "browser endpoints only",
         "silence is legitimate: somebody may be crying, or hiding"),
    Rule("endpoint-direct-media", "direct_media", "yes", "no", _ANY,
         "audio beside the PBX is lost by address translators, and with it the notice that a phone is gone"),
    Rule("endpoint-codecs", "allow", "all", "what every other end can be turned into", _ANY,
         "Queue() hangs up on a caller whom it cannot make compatible"),
    Rule("endpoint-context", "context", "default", "from-trunk, or listeners", _ANY,
         "a call would enter where it has no business"),
    Rule("endpoint-kind", "set_var of a phone's endpoint", "none", "LISTENER_KIND=browser for a page, =sip for any "
         "other phone, and nothing else", _ANY, "a page that was closed would be read as a listener's own end, and the "
         "caller hung up on; or a limit would come in"),
    Rule("endpoint-transfer", "allow_transfer", "yes", "no", _ANY,
         "a REFER from a phone or the carrier would move a caller without the dialplan"),
    Rule("endpoint-identity", "send_pai, send_rpid, send_diversion, send_connected_line, trust_id_outbound", "no, "
         "connected line yes", "no, written out", _ANY, "who called whom would be told to a carrier or a phone"),
    Rule("endpoint-limit", "device_state_busy_at, rtp_keepalive, max_audio_streams, redirect_method, …", "0",
         "never but as known", _NO, "an endpoint's own limit refuses a call"),
    Rule("aor-contacts", "aor max_contacts, remove_existing, remove_unavailable", "0, no, no", "1, yes, yes", _ANY,
         "a page that was reloaded could not register, or a ghost would be rung in its place"),
    Rule("aor-qualify", "aor qualify_frequency", "0", "1 to 30 s", _ANY,
         "a phone that is gone counts as free, which breaks first come, first served"),
    Rule("transport-keepalive", "tcp_keepalive_enable, websocket_write_timeout", "no, 100 ms", "yes; 100 ms or more",
         "tcp, tls, ws, wss", "a connection that died behind a router would be taken for alive"),
    Rule("transport-reload", "transport allow_reload", "no", "no, written out", _ANY,
         "a reload would cut every connection"),
    Rule("overload", "taskprocessor_overload_trigger", "global", "pjsip_only", _ANY,
         "a backlog anywhere in Asterisk would make SIP ignore calls (asterisk#1031, #1972)"),
    Rule("http-sessions", "http.conf sessionlimit", "100, and WebSockets count", "1500 or more", _ANY,
         "the hundred-and-first phone would not get in"),
    Rule("http-serves", "http.conf enable_static, enable_status", "no, yes", "no, written out", _ANY,
         "what is served can be attacked"),
)  # fmt: skip
_MACHINE = (
    Rule("refuses-calls", "asterisk.conf maxcalls, maxload, minmemfree", "unset", "never", _NO,
         "callers would be refused on a busy day"),
    Rule("open-files", "asterisk.conf maxfiles", "1024", "65536 or more, or all that the machine allows", _ANY,
         "calls would end without audio, or be refused, for want of files"),
    Rule("dangerous", "live_dangerously, execincludes, #exec", "no", "no", _NO,
         "a value from outside would become a command"),
    Rule("rtp-ports", "rtp.conf rtpstart, rtpend", "5000 to 31000", "four a call: 400 at least", _ANY,
         "a caller would hear nothing"),
    Rule("rtp-replay", "rtp.conf srtpreplayprotection, strictrtp", "yes", "yes", _ANY,
         "somebody else's audio could be put into a conversation"),
    Rule("service-unit", "systemd units", "stopped with every process after 90 s; LimitNOFILE 1024; given up after "
         "five starts", "KillMode=process (`ecoute pbx run` lets calls end), TimeoutStopSec=infinity, Restart=always, "
         "StartLimitIntervalSec=0, OOMPolicy=continue, TasksMax=infinity, LimitNOFILE 65536 or more; no ExecStop, no "
         "RuntimeMaxSec, no limit of memory or processor, no tie to another unit", "*.service, *.conf below "
         "*.service.d", "the machine would end the PBX, and every call with it"),
    Rule("container", "docker-compose.yml, and every other file that Docker reads", "no limit; stopped after 10 s",
         "no limit of memory, processor or processes, merged parts included; nofile 65536 or more; restart; 12 h to "
         "stop; no health check that restarts; `net` is not of the image that is built; no file beside it", "pbx, net",
         "the machine would end the PBX, and every call with it"),
)  # fmt: skip
_FEATURES = (
    Rule("feature-key", "featuremap, applicationmap (`*` disconnects, parking by keys)", "none bound but blindxfer #",
         "empty", _NO, "a key pressed by accident would end or park a call"),
    Rule("feature-transfer", "features.conf atxferdropcall", "no", "no, written out", _ANY,
         "a transfer that fails would drop the caller"),
    Rule("module-refused", "parking (45 s), confbridge, func_timeout, recording, AGI, ARI, AEL, Lua, realtime, …",
         "loaded with autoload", "not loaded", _NO, "what is not loaded cannot park, cut or record"),
    Rule("module-unknown", "a module that is not known", "loaded with autoload", "a finding, until it is added",
         "pbx/settings_data.py", "nobody would have looked at what it does"),
    Rule("modules-autoload", "modules.conf autoload", "yes", "no", _ANY,
         "everything that is installed would be loaded, recorders too"),
    Rule("records", "MixMonitor, Monitor, Record, ChanSpy, one_touch_recording, …", "available", "never while the "
         "policy says so", "contexts of recordings-policy/policy.toml (none)", "a recording is a second victimhood "
         "waiting to happen"),
    Rule("numbers-in-clear", "cdr.conf, CEL columns, log levels", "numbers are written", "nothing that can hold one",
         _ANY, "a stolen disk would tell who called"),
)  # fmt: skip
_CODE = (
    Rule("manager-rights", "manager.conf write", "none", "service: call, agent, originate, reporting; provision: "
         "system", _ANY, "a right too many is a way to end calls"),
    Rule("manager-address", "manager.conf bindaddr, deny, permit", "all addresses", "loopback only", _ANY,
         "every login can end every call (BridgeDestroy needs no right)"),
    Rule("manager-general", "manager.conf webenabled, channelvars", "no, none", "no; CALL_ID", _ANY,
         "events would not say which call they are about"),
    Rule("ami-never", "AMI AbsoluteTimeout, Park, BridgeKick, BridgeDestroy, Command, Redirect, …", "allowed", "never",
         _NO, "they end, tear or time a conversation"),
    Rule("ami-unknown", "an AMI action that is not known", "allowed", "a finding, until it is added with its place",
         "pbx/code_rules.py", "nobody would have looked at what it does to a call"),
    Rule("ami-misplaced", "AMI Hangup, QueueWithdrawCaller, Setvar, …", "from anywhere", "each built in exactly one "
         "named place", "pbx/code_rules.py, ACTIONS", "Hangup is for a listener's own end and for a leg that is lost, "
         "and for nothing else"),
    Rule("ami-by-hand", "an action written beside pbx/actions.py", "-", "never", "pbx/actions.py",
         "it would pass every guard by"),
    Rule("command-misplaced", "EndConversation, DropLostLeg, WithdrawCaller", "-", "asked for in one named place",
         "pbx/code_rules.py, COMMANDS", "only a listener, in person, may end a conversation"),
    Rule("console-command", "core stop, core restart, channel request hangup, … on the console", "allowed",
         "only commands that look, and few others from one place each", "pbx/code_rules.py, CONSOLE",
         "a restart cuts every call; gracefully it refuses new ones"),
    Rule("stops-calls", "ending the PBX's process", "cuts every call", "calls end first", "pbx/process.py",
         "nobody may be cut off by an upgrade"),
    Rule("starts-programs", "starting a program, loading code by name", "-", "each from a named place",
         "pbx/code_rules.py, STARTERS", "a program that asks the console would pass every guard by"),
)  # fmt: skip
_FILES = (
    Rule("unreadable", "a file that Asterisk would not load, or not as it looks", "declined, or read otherwise",
         "readable by the verifier", _ANY, "one missing include takes the whole dialplan away"),
    Rule("file-unknown", "a file that is not known (extconfig.conf, cli.conf, extensions.ael, …)", "loaded when it is "
         "there", "a finding", "pbx/settings_data.py", "realtime or a start-up command would pass every rule by"),
    Rule("section-unknown", "a section that is not known", "-", "a finding", "pbx/settings_data.py",
         "nobody would have looked at what it does"),
    Rule("setting-unknown", "a setting that is not known", "-", "a finding", "pbx/settings_data.py",
         "nobody would have looked at what it does to a call"),
    Rule("setting-value", "a value that is not known", "-", "a finding", "pbx/settings_data.py",
         "nobody would have looked at what it does to a call"),
)  # fmt: skip
_LOADED = (
    Rule("loaded-time-limit", "TimeToHangup of every channel (AMI Status)", "0", "0", _NO,
         "this conversation would be cut at that moment", Layer.LOADED),
    Rule("loaded-dialplan", "the loaded dialplan (AMI ShowDialPlan)", "the files, until a console adds a line",
         "equals the files", _ANY, "a line added by hand passes every static rule by", Layer.LOADED),
    Rule("loaded-queue", "the loaded queues (AMI QueueStatus, queue show)", "the files at the last reload",
         "equal the files: the queues, their strategy, no maximum, no weight; members by PJSIP, dynamic, no wrap-up "
         "time, not rung in use", _ANY, "callers would be put out by what no file says", Layer.LOADED),
    Rule("loaded-endpoint", "the loaded endpoints, aors, transports, trigger (pjsip show …)",
         "the files at the last reload", "keep the static rules", _ANY,
         "a conversation would end by what no file says", Layer.LOADED),
    Rule("loaded-module", "the loaded modules (module show)", "modules.conf, until a console loads one",
         "equal modules.conf", _ANY, "a recorder or TIMEOUT() could be loaded by hand", Layer.LOADED),
    Rule("loaded-limit", "core show settings: calls, load, memory, files", "unset", "as the static rules say", _ANY,
         "callers would be refused", Layer.LOADED),
    Rule("loaded-globals", "global variables (dialplan show globals)", "the files, until somebody sets one",
         "equal the files", "SERVICE_HEARTBEAT is the service's", "a round, a grace or a limit would differ",
         Layer.LOADED),
    Rule("loaded-before", "files that changed after Asterisk read them", "-", "none", _ANY,
         "what is loaded cannot be told from the files: Asterisk does not show joinempty and its like", Layer.LOADED),
    Rule("loaded-backlog", "task processors", "PJSIP ignores requests from 500 on", "below 450", _ANY,
         "calls would be ignored", Layer.LOADED),
    Rule("loaded-unseen", "a PBX that runs and does not answer", "-", "it answers", _ANY,
         "nobody knows what it has loaded", Layer.LOADED),
)  # fmt: skip
_OUTCOME = (
    Rule("ended-by-system", "how each stored call ended", "-", "none ended by the system", _ANY,
         "somebody was cut off", Layer.OUTCOME),
    Rule("ended-unclassified", "an end that nobody classified", "-", "caller, listener, centre, closed, transfer or "
         "fault", _ANY, "somebody may have been cut off", Layer.OUTCOME),
    Rule("outcome-unseen", "a store that is there and cannot be read", "-", "it can be read", _ANY,
         "nobody knows how calls ended", Layer.OUTCOME),
)  # fmt: skip

#: Heading → its rules, in the order of docs/no-cap.md.
CHAPTERS: dict[str, tuple[Rule, ...]] = {
    "Time limits": _TIME,
    "Dialling": _DIAL,
    "The application Queue": _QUEUE_APP,
    "The way through the dialplan": _FLOW,
    "queues.conf": _QUEUES,
    "SIP and HTTP": _SIP,
    "The machine": _MACHINE,
    "Features, modules, recording": _FEATURES,
    "Manager interface, console and code": _CODE,
    "What is not known": _FILES,
    "While it runs": _LOADED,
    "By outcome": _OUTCOME,
}
RULES: dict[str, Rule] = {rule.id: rule for chapter in CHAPTERS.values() for rule in chapter}


def layer_of(problem: Problem) -> Layer:
    return RULES[problem.id].layer
