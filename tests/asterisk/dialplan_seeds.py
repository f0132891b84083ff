"""Violations to be planted in what the dialplan decides by, each a single change that looks harmless."""

from __future__ import annotations

from tests.asterisk.no_cap_seeds import ENTRY, LISTENER, OVERFLOW, PAGE, PHONE, PHONES, QUEUE, RING, WAITING, Seed

TRUNK, GUARD, STEP = (f"dialplan/{name}.conf" for name in ("trunk", "guard", "step"))
GLOBALS, HOURS = "generated/globals.conf", "generated/hours.conf"
NO_SPACE = "\N{NO-BREAK SPACE}"


def _first(file: str, line: str, rule: str, *added: str) -> list[Seed]:
    """Each of `added` before `line`."""
    return [Seed(file, f" same => n,{line}", f" same => n,{new}\n same => n,{line}", rule) for new in added]


def _for(file: str, old: str, rule: str, *new: str) -> list[Seed]:
    return [Seed(file, old, each, rule) for each in new]


ROUND = "Set(QUEUE_NOW=national)"
EMPTY = "exten => status-LEAVEEMPTY,1,Goto(again,1)"
CLOSED = 'GotoIf($["${OPEN}" = "0"]?closed,s,1)'
KINDS = [
    *_for("pjsip.conf", "LISTENER_KIND=browser", "endpoint-kind", "LISTENER_KIND=sip", "LISTENER_KIND=Browser", "X=1"),
    *_for("pjsip.conf", "LISTENER_KIND=sip", "endpoint-kind", "LISTENER_KIND=browser", "LISTENER_KIND="),
    Seed("pjsip.conf", "set_var = LISTENER_KIND=browser", "", "endpoint-kind"),
    Seed("pjsip.conf", "set_var = LISTENER_KIND=sip", "", "endpoint-kind"),
    Seed(PHONES, PAGE, f"{PAGE}\nset_var = LISTENER_KIND=sip", "endpoint-kind"),
    Seed(PHONES, PHONE, f"{PHONE}\nset_var = LIMIT_PLAYAUDIO_CALLER=yes", "endpoint-kind"),
    Seed("pjsip.conf", "webrtc = yes", "webrtc = no", "endpoint-kind"),
]
RETURNS = [
    *_for(WAITING, EMPTY, "return", "exten => status-LEAVEEMPTY,1,Return()"),
    *_first(WAITING, ROUND, "return", "ExecIf($[1]?Return())", "Goto(pbx-decides,s,1)", "GotoIf($[1]?step,s,1)"),
    Seed(TRUNK, "Gosub(guard,s,1)", "Goto(guard,s,1)", "return"),
    Seed(TRUNK, "Goto(entry,s,1)", "Gosub(entry,s,1)", "return"),
    Seed(TRUNK, "?full,busy,1)", "?full,s,1)", "return"),
    Seed(WAITING, "n(stay),Return()", "n(stay),Goto(alive)\n same => n,Return()\nexten => x,1,Return()", "return"),
    Seed(WAITING, "?offer:stay)", "?x,1:stay)\nexten => x,1,Goto(s,offer)\nexten => s,50,NoOp()", "return"),
    Seed(OVERFLOW, "U(centre-person)", "U(waiting)", "return"),
    Seed(GUARD, "hangup_handler_push)=ended,s,1", "hangup_handler_push)=entry,s,1", "return"),
]
VARIABLES = [
    *_for(
        LISTENER,
        " same => n,Set(LEG_CAUSE=)\n same => n,Return()",
        "variable-decides",
        *(
            f" same => n,Set(LEG_CAUSE=)\n same => n,{line}\n same => n,Return()"
            for line in (
                "Set(CAUSE=31)",
                "set(__CAUSE=31)",
                "Set(LOCAL(CAUSE)=31)",
                "ExecIf($[1]?Set(CAUSE=31))",
                "Set(EXPORT(${CALLER_LEG},LEG_CAUSE)=31)",
            )
        ),
    ),
    *_first(
        LISTENER, "GotoIf($[${CAUSE} = 31]?deliberate)", "variable-decides", "Set(LISTENER_KIND=sip)", "Set(TALKED=1)"
    ),
    *_for(LISTENER, "LISTENER_KIND)=${LISTENER_KIND}", "variable-decides", "LISTENER_KIND)=sip"),
    *_for(TRUNK, "Set(FULL=$[${GROUP_COUNT(callers@line)} > ${CALLERS_MOST}])", "variable-decides", "Set(FULL=1)"),
    *_for(OVERFLOW, "Set(GOSUB_RESULT=CONTINUE)", "variable-decides", "Set(GOSUB_RESULT=GOTO:full^busy^1)"),
    *_for(OVERFLOW, "Set(PERSON=)", "variable-decides", "Set(PERSON=1)", "NoOp()"),
    *_for(LISTENER, "Set(LISTENER_CHANNEL=)\n same => n,Dial", "variable-decides", "NoOp()\n same => n,Dial"),
    *_for(HOURS, "Set(OPEN=1)", "variable-decides", "Set(OPEN=closed)"),
    *_for(ENTRY, "Set(OPEN=1)", "variable-decides", "Set(OPEN=0)"),
    *_first(
        WAITING,
        ROUND,
        "variable-decides",
        "Set(QUEUE_PRIO=1)",
        "Set(__QUEUE_PRIO=1)",
        "Set(ARRIVED=${EPOCH})",
        "Set(LISTENER_CHANNEL=x)",
        "Set(GOSUB_RESULT=CONTINUE)",
        "Set(ROUND=1)",
    ),
    *_first(
        WAITING,
        ROUND,
        "variable-unknown",
        "Set(V=PENALTY)",
        "Set(QUEUE_MAX_${V}=1)",
        "Set(${V}=1)",
        "Set(${IF($[1=1]?CAUSE)}=31)",
        "Set(EXPORT(${CALLER_LEG},${V})=1)",
        "Set(EXPORT(PJSIP/trunk-1,LINE)=1)",
        "Set(CALLERS_MOST=0)",
        "Set(DIALSTATUS=ANSWER)",
        "Set(QUEUE_MEMBER(national,penalty)=9)",
    ),
    *_first(
        WAITING,
        ROUND,
        "channel-item",
        "Set(EXPORT(${CALLER_LEG},CHANNEL(hangup_handler_wipe))=)",
        "Set(CHANNEL(${V})=s)",
        "Set(EXPORT(${CALLER_LEG},CHANNEL(${V}))=)",
    ),
    *_first(
        WAITING,
        ROUND,
        "queue-without-rank",
        "NoOp()\n same => n(late),NoOp()\nexten => x,1,Goto(round,late)\nexten => round,4,NoOp()",
    ),
]
BRANCHES = [
    *_first(
        WAITING,
        ROUND,
        "branch-unreadable",
        "ExecIf($[1]?${A}(16))",
        "ExecIf($[${EPOCH} > 1]?Hangup(16):NoOp?NoOp(x))",
        "ExecIf($[1]?NoOp(a):NoOp(b):Hangup(16))",
        "ExecIf($[1])",
        "ExecIf(1?NoOp(x))",
        'ExecIf($["]" = "x"]?Hangup(16):NoOp(")?NoOp(x))',
        "ExecIf($[1]?NoOp(x):${A}(16))",
        "ExecIf($[1]?ExecIf($[1]?Set(CAUSE=31)))",
        "ExecIf($[1]?ExecIf(1))",
        "GotoIf($[1]?full,busy,1:x?round,1)",
        "GotoIf($[1]?round,1:round,1:full,busy,1)",
        'GotoIf("a?full,busy,1:"?round,1)',
        "GosubIf(${X}?step,s,1)",
        "GotoIf(${OPEN})",
    ),
    *_first(
        WAITING,
        ROUND,
        "no-such-target",
        "GotoIf($[1]?again,1(:full,busy,1))",
        "Goto(full,busy,1,round,1)",
        "Goto(full,busy,round,1)",
        "Goto(round, 1)",
        "Goto(status-${QUEUESTATUS},7)",
        "Goto(again,1())",
    ),
    Seed(ENTRY, "?hours,s,1)", "?hous,s,1)", "no-such-target"),
    Seed(ENTRY, "hours,s,1)}]?hours,s,1)", "hous,s,1)}]?hous,s,1)", "no-such-target"),
    Seed(ENTRY, "?hours,s,1)", "?hours,s,1:hous,s,1)", "no-such-target"),
    Seed(TRUNK, "?numbers,${DELIVERED},1)", "?numbers,${LINE},1)", "no-such-target"),
    *_for(
        LISTENER,
        "GotoIf($[${CAUSE} = 31]?deliberate)",
        "hangup",
        "GotoIf($[${CAUSE} = 31]?lost,s,1:deliberate)",
        "GotoIf($[${TALKED} < 0]?lost,s,1:deliberate)",
    ),
    Seed(OVERFLOW, "?centre-lost,1)\n same => n,Set(ENDED_BY", "?:centre-lost,1)\n same => n,Set(ENDED_BY", "hangup"),
]
CALLS = [
    *_for(ENTRY, CLOSED, "enters", "Goto(closed,s,1)", 'GotoIf($["${OPEN}" = "1"]?closed,s,1)'),
    *_for(ENTRY, CLOSED, "enters", 'GotoIf($["${OPEN}" = "0"]?waiting,s,1:closed,s,1)'),
    Seed(TRUNK, "Gosub(guard,s,1)", "Gosub(guard,s,1)\n same => n,Gosub(full,s,1)", "enters"),
    Seed(HOURS, "n(open),Set(OPEN=1)", "n(open),Set(OPEN=0)", "shape"),
    Seed(HOURS, "exten => s,1,Set(OPEN=0)", "exten => s,1,Set(OPEN=0)\n same => n,Return()", "shape"),
    *_for(TRUNK, "exten => _[+0-9]!,1", "extensions-of-calls", "exten => _3133,1", "exten => _X.,1"),
    Seed(
        "dialplan/phones.conf", "exten => ready,1", "exten => _X.,1,Hangup()\nexten => ready,1", "extensions-of-calls"
    ),
    *_for(WAITING, QUEUE, "queue-missing", QUEUE.replace("national,", "nationl,"), QUEUE.replace("national,", ",")),
    Seed(OVERFLOW, "Queue(${CENTRE_QUEUE},", "Queue(${CENTRE},", "queue-missing"),
    Seed("queues.conf", "[national](keeps-callers)", "[nationl](keeps-callers)", "queue-missing"),
    Seed("queues.conf", "[national](keeps-callers)", "[national](!,keeps-callers)", "queue-missing"),
    *_for(
        LISTENER, RING, "dial-argument", RING.replace("${LISTENER},", "Local/busy@full,"), RING.replace("${LEFT}", "")
    ),
    Seed(OVERFLOW, "PJSIP/${CENTRE_NUMBER}@", "PJSIP/0199000000@", "dial-argument"),
    *_first(WAITING, ROUND, "application-unknown", "AddQueueMember(national,Local/s@waiting)"),
    *_first(WAITING, ROUND, "application-argument", "Wait(86400)", "Wait(${X})", "Wait()", "Wait(1e9)"),
    *_for(OVERFLOW, "centre-offer,1,,1,2)", "application-argument", "centre-offer,1,,99,2)", "centre-offer,1,,1,9999)"),
    Seed(OVERFLOW, "Read(KEYED,centre-offer", "Read(CAUSE,centre-offer", "application-argument"),
    Seed(ENTRY, "Answer()", "Answer(60000)", "application-argument"),
]
SETTINGS = [
    Seed(GLOBALS, "CALLERS_MOST = 500", "CALLERS_MOST = 0", "setting-value"),
    Seed(GLOBALS, "CALLERS_MOST = 500", "CALLERS_MOST = 100", "setting-value"),
    Seed("generated/rtp.conf", "rtpend = 12000", "rtpend = 11000", "setting-value"),
    Seed("generated/rtp.conf", "rtpend = 12000", "rtpend = 1200\N{SUPERSCRIPT TWO}", "rtp-ports"),
    Seed("asterisk.conf", "maxfiles = 65536", "maxfiles = 6553\N{SUPERSCRIPT TWO}", "open-files"),
    Seed(GLOBALS, "QUEUE_ROUND = 60", "QUEUE_ROUND = 0", "setting-value"),
    Seed(GLOBALS, "GRACE = 20", "GRACE = 20s", "setting-value"),
    Seed(GLOBALS, "OUTBOUND_ENDPOINT = ", "OUTBOUND_ENDPOINT = x", "setting-value"),
    Seed(GLOBALS, "GRACE = 20", "GRACE = 20\nANSWER_AFTER = 3", "setting-unknown"),
    Seed(GLOBALS, "GRACE = 20", "GRACE = 20\nGOSUB_RESULT = BUSY", "limits"),
    *_for("queues.conf", "joinempty = yes", "unreadable", f"{NO_SPACE}joinempty = yes", "joinempty\N{EM SPACE}= yes"),
    Seed("queues.conf", "joinempty = yes", f"joinempty = yes{NO_SPACE}", "queue-joinempty"),
    Seed("queues.conf", "joinempty = yes", "joinempty = ye\N{LATIN SMALL LETTER LONG S}", "queue-joinempty"),
    Seed("queues.conf", "strategy = rrmemory", "strategy = rrmemory\rjoinempty = yes", "unreadable"),
    Seed("queues.conf", "[national]", f"[national{NO_SPACE}]", "unreadable"),
    *_for(
        WAITING, EMPTY, "unreadable", EMPTY.replace("Goto(", f"Goto{NO_SPACE}("), EMPTY.replace(",1)", f",1{NO_SPACE})")
    ),
    Seed("asterisk.conf", "[options]", "astetcdir = /etc/asterisk\n[options]", "setting-value"),
]
DIALPLAN_SEEDS = [*KINDS, *RETURNS, *VARIABLES, *BRANCHES, *CALLS, *SETTINGS]
