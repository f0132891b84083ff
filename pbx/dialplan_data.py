"""What the dialplan may contain, and where: data, one line each.

Whoever adds a context, an application or a function adds it here, with its place where it has one. What is not here is
a finding; so is what is here and stands elsewhere. docs/no-cap.md has the reasons.
"""

from __future__ import annotations

from typing import NamedTuple

from pbx.settings_data import Keys, between, like


class Place(NamedTuple):
    """`module`: that brings it, empty for Asterisk's core. `contexts`: where it may stand, empty: in all.

    `args`: what its arguments must be (a regular expression of the whole), empty: anything.
    """

    module: str = ""
    contexts: frozenset[str] = frozenset()
    args: str = ""


def at(module: str, *contexts: str, args: str = "") -> Place:
    return Place(module, frozenset(contexts), args)


_FLOW = {
    name: at("app_stack" if name in {"Gosub", "GosubIf", "Return"} else "")
    for name in ("Gosub", "GosubIf", "Return", "Goto", "GotoIf", "Set", "NoOp")
}
APPLICATIONS: dict[str, Place] = {
    **_FLOW,
    "GotoIfTime": at("", "hours"),
    "ExecIf": at("app_exec"),
    # seconds; nobody who waits for a person waits for a clock
    "Wait": at("", args=r"[0-3](\.[0-9]{1,2})?"),
    "Answer": at("", "entry", "listeners", args="i?"),
    "Ringing": at("", "entry"),
    "Hangup": at("", "closed", "after", "overflow", "listeners", "full"),
    "Log": at("app_verbose", "from-trunk", "full"),
    "Playback": at("app_playback", "entry", "closed", "lost", "overflow", "listeners", args=r"[a-z-]+"),
    # one or two digits, asked for once, a few seconds
    "Read": at("app_read", "overflow", "centre-person", args=r"(KEYED|PRESSED),[a-z-]*,[12],,1,[1-9]"),
    "Queue": at("app_queue", "waiting", "overflow"),
    "Dial": at("app_dial", "lost", "overflow"),
    "PauseQueueMember": at("app_queue", "hold-listener"),
    "UnpauseQueueMember": at("app_queue", "listeners"),
    "UserEvent": at("app_userevent", "step", "member", "full"),
    "CELGenUserEvent": at("app_celgenuserevent", "step", "member", "full"),
    "StartMusicOnHold": at("res_musiconhold", "lost"),
    "StopMusicOnHold": at("res_musiconhold", "lost"),
}
FUNCTIONS: dict[str, Place] = {
    "AES_ENCRYPT": at("func_aes", "guard"),
    "CALLERID": at("func_callerid", "guard", "full"),
    "CONNECTEDLINE": at("func_callerid", "outbound"),
    "REDIRECTING": at("func_callerid", "guard"),
    "CHANNEL": at("func_channel"),
    "CHANNEL_EXISTS": at("func_channel"),
    # AstDB also holds phones' registrations and members' pauses: these three families alone
    "DB": at("func_db", "guard", "overflow", args=r"line/caller_key(_id)?|department/.+|centre/.+/(queue|telephone)"),
    "DEVICE_STATE": at("func_devstate", "lost"),
    "DIALPLAN_EXISTS": at("func_dialplan"),
    "EXPORT": at("func_export"),
    "FILTER": at("func_strings"),
    # of callers, to know whether audio ports are left
    "GROUP": at("func_groupcount", "from-trunk"),
    "GROUP_COUNT": at("func_groupcount", "from-trunk"),
    "IF": at("func_logic"),
    "IMPORT": at("func_logic"),
    "LEN": at("func_strings"),
    "LOCAL": at("app_stack"),
    "QUEUE_EXISTS": at("app_queue", "overflow"),
    "QUEUE_MEMBER": at("app_queue", "waiting", "connected", "pbx-decides", "overflow"),
    "REGEX": at("func_strings"),
    "SHA1": at("func_sha1", "guard"),
    "STRFTIME": at("func_strings"),
    "TOLOWER": at("func_strings"),
    "UUID": at("func_uuid", "guard"),
}
#: Can record or listen in, or run anything.
RECORDERS = {
    "MixMonitor", "StopMixMonitor", "Monitor", "Record", "Dictate", "VoiceMail", "MiniVM", "ChanSpy", "ExtenSpy",
    "AudioSocket", "Stasis", "AGI", "EAGI", "DeadAGI", "FastAGI", "System", "TrySystem", "ExternalIVR", "JACK_HOOK",
    "MIXMONITOR", "SHELL",
}  # fmt: skip
#: End, park or move a call, each in a way of its own.
ENDERS = {
    "Busy", "Congestion", "SoftHangup", "ChannelRedirect", "Park", "ParkAndAnnounce", "ParkedCall", "Bridge",
    "Transfer", "BridgeWait", "BridgeAdd", "DISA", "Directory", "Macro", "MacroExclusive", "Incomplete", "Background",
    "BackGround", "BackgroundDetect", "WaitExten", "Authenticate", "ConfBridge", "Originate", "Zapateller",
    "PrivacyManager", "AgentRequest", "Pickup", "PickupChan", "HangupCauseClear", "SendDTMF", "Exec", "TryExec",
    "Proceeding", "Progress",
}  # fmt: skip
REDIALLERS = {"RetryDial", "FollowMe", "Page", "DialByName"}

#: context → from which contexts one may come into it (Goto, Gosub, options b, B and U, hangup handlers); empty: a call
#: itself, by its endpoint's context.
CONTEXTS: dict[str, frozenset[str]] = {
    name: frozenset(sources.split())
    for name, sources in {
        "from-trunk": "",
        "listeners": "",
        "numbers": "from-trunk",
        "full": "from-trunk",
        "guard": "from-trunk",
        "entry": "from-trunk",
        "hours": "entry",
        "closed": "entry",
        "waiting": "entry lost overflow",
        "pbx-decides": "waiting",
        "member": "waiting lost overflow",
        "ring-ends": "member",
        "connected": "waiting lost overflow",
        "hold-listener": "connected lost ended",
        "leg-ends": "connected centre-person",
        "leg-cause": "after overflow",
        "after": "waiting lost overflow",
        "lost": "after",
        "overflow": "waiting",
        "outbound": "overflow",
        "centre-person": "overflow",
        "ended": "guard",
        "step": "guard closed waiting connected lost overflow centre-person ended after",
    }.items()
}
#: context → its extension (empty: all) that is entered by Gosub, as a hangup handler or on a leg, and left by Return.
#: Return anywhere else hangs up, and so does Return where one came by Goto.
SUBROUTINES = {
    "numbers": "",
    **dict.fromkeys(
        (
            "guard", "hours", "full", "pbx-decides", "member", "ring-ends", "connected", "hold-listener", "leg-ends",
            "leg-cause", "outbound", "centre-person", "ended", "step",
        ),
        "s",
    ),
}  # fmt: skip
#: context → the only condition under which one goes there
ENTERED_WHEN = {"closed": '$["${OPEN}" = "0"]', "full": "$[${FULL} = 1]"}
#: context that a call enters by itself → its extensions: any number from the carrier, one word from a listener's phone
EXTENSIONS = {"from-trunk": {"_[+0-9]!"}, "listeners": {"ready"}}
#: context → all that it may do, line by line as `exten(label) Application(arguments)`
SHAPES = {
    "hours": r"s Set\(OPEN=0\)\n(s GotoIfTime\([^?\n]+\?open\)\n)*s Return\(\)\ns\(open\) Set\(OPEN=1\)\ns Return\(\)"
}


class Ending(NamedTuple):
    """Where a call may be hung up on, and for whose deed. `when`: the only conditions under which one jumps there;
    `unless`: the only ones past which one comes there. None of either: whoever comes there has been looked at before.
    """

    by: str
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


HANGUPS = {
    "closed": Ending("closed"),  # nobody but `entry` leads there
    # before the line has answered: a busy tone, where one caller more would keep those who wait from being connected
    "full": Ending("full", when=("$[${FULL} = 1]",)),
    "after": Ending(
        "listener",
        when=(
            "$[${CAUSE} = 31]",
            '$["${LISTENER_KIND}" = "sip" & ${CAUSE} = 16 & (${TALKED} >= 1 | ${TALKED} < 0)]',
        ),
    ),
    "overflow": Ending("centre", unless=("$[${CAUSE} != 16 & ${CAUSE} != 31]",)),
}
#: where a listener's own phone talks to nobody: they may be let go
OWN_PHONES = {"listeners"}
#: wait for digits on a leg whose loss gives the caller back: `t` and `i` have nothing to keep there
OWN_LEGS = {"centre-person"}
WAITS_FOR_DIGITS = {"Read", "WaitExten", "Background", "DISA", "Directory", "Authenticate"}

#: context → the only queue that Queue() names there; one that is written out must be in queues.conf
QUEUE_NAMES = {"waiting": "national", "overflow": "${CENTRE_QUEUE}"}
#: context → whom Dial() calls there, and for how long
DIALS = {
    "lost": ("${LISTENER}", "${LEFT}"),
    "overflow": ("PJSIP/${CENTRE_NUMBER}@${OUTBOUND_ENDPOINT}", "${CENTRE_RING}"),
}
QUEUE_OPTIONS, DIAL_OPTIONS = frozenset("ciIbBm"), frozenset("giImbBU")
QUEUE_STATUS = ("TIMEOUT", "FULL", "JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL", "CONTINUE", "WITHDRAW", "")
#: context → the only time-out of Queue() there: a round of a loop that comes back
QUEUE_ROUNDS = {"waiting": "${ROUND}", "overflow": "${CENTRE_RING}"}
#: What Set(CHANNEL(item)=…) may change.
CHANNEL_ITEMS = {"accountcode", "language", "hangup_handler_push"}
#: Variables that Asterisk itself reads, to limit a call, end it by a key, record it, or move a caller.
READ_BY_ASTERISK = (
    r"LIMIT_\w+|DIAL_BRIDGE\w*|QUEUE_(MAX|MIN|RAISE)_PENALTY|EXITCONTEXT|ABSTIMEOUT|DYNAMIC_\w+|BRIDGE_\w+|"
    r"GOTO_ON_BLINDXFR|TRANSFER_CONTEXT|FORWARD_CONTEXT|ATTENDED_TRANSFER_\w+|BLINDTRANSFER|PARKING\w*|MONITOR_\w+|"
    r"MIXMONITOR_\w+|TOUCH_\w+|VM_\w+|AJ_\w+|MACRO_\w+|SPYGROUP|TIMEOUT|FORCED_DIALPLAN|QUEUE_PRIORITY|"
    r"GOSUB_RESULT|OUTBOUND_GROUP\w*"
)
#: Functions that Set() may write: `Set(FUNCTION(item)=…)`.
WRITTEN = {"CALLERID", "CHANNEL", "CONNECTEDLINE", "GROUP", "REDIRECTING"}
_NOW = "$[${EPOCH} - (0${CLOCK_SET})]"
_NOW_EXACT = "${STRFTIME(,,%s.%3q)} - (0${CLOCK_SET})"
#: Variables on whose value it hangs whether, when and by whom a call is ended or led on: context → the only values.
DECIDES: dict[str, dict[str, tuple[str, ...]]] = {
    "ARRIVED": {"guard": (_NOW,)},
    "CALLER_LEG": {"guard": ("${CHANNEL(uniqueid)}",)},
    "CALL_ID": {"guard": ("${UUID()}",)},
    "CAUSE": {"leg-cause": ('$[0${IF($["${LEG_CAUSE}" != ""]?${LEG_CAUSE}:${HANGUPCAUSE})} + 0]',)},
    "CENTRE_NUMBER": {"overflow": ("${FILTER(0-9+,${DB(centre/${CENTRE}/telephone)})}",)},
    "CENTRE_QUEUE": {"overflow": ("${FILTER(-a-z0-9,${DB(centre/${CENTRE}/queue)})}",)},
    "CONNECTED_AT": {"connected": (f"$[{_NOW_EXACT}]",)},
    "ENDED_BY": {
        "guard": ("",), "closed": ("closed",), "full": ("full",), "after": ("listener",), "overflow": ("centre",),
        "ended": ("system", "caller", "${person}"),
    },
    "FULL": {"from-trunk": ("$[${GROUP_COUNT(callers@line)} > ${CALLERS_MOST}]",)},
    # what Asterisk does with a leg after the gosub of Queue and Dial: CONTINUE lets the leg go and keeps the caller,
    # anything else ends or moves the caller
    "GOSUB_RESULT": {"centre-person": ("CONTINUE",)},
    "LEFT": {
        "waiting": ("$[${OVERFLOW_AFTER} + 1 - (${EPOCH} - (0${CLOCK_SET}) - ${WAITING_SINCE})]",),
        "lost": ("$[${GRACE} - (${EPOCH} - (0${CLOCK_SET}) - ${LOST_AT})]", "${GRACE}"),
    },
    "LEG_CAUSE": {"connected": ("",), "centre-person": ("",), "leg-cause": ("",), "leg-ends": ("${HANGUPCAUSE}",)},
    "LISTENER": {"connected": ("PJSIP/${CHANNEL(endpoint)}",), "centre-person": ("${centre}",)},
    "LISTENER_CHANNEL": {
        "connected": ("${CHANNEL}",), "centre-person": ("${CHANNEL}",),
        "waiting": ("",), "lost": ("",), "overflow": ("",),
    },
    "LISTENER_KIND": {"connected": ("${LISTENER_KIND}",), "centre-person": ("centre",)},
    "OPEN": {"entry": ("1",), "hours": ("0", "1")},
    "PERSON": {"overflow": ("",), "centre-person": ("1",)},
    "QUEUESTATUS": {"waiting": ("",)},
    "QUEUE_NOW": {"waiting": ("national",), "lost": ("return",), "overflow": ("${CENTRE_QUEUE}",)},
    "QUEUE_PRIO": dict.fromkeys(("waiting", "overflow"), ("$[2147483647 - ${ARRIVED}]",)),
    "ROUND": {"waiting": ("${QUEUE_ROUND}", "${LEFT}", "10", "3")},
    "STAGE": {
        "guard": ("entry",), "closed": ("closed",), "waiting": ("waiting",), "lost": ("lost",),
        "overflow": ("overflow",), "connected": ("talking",), "centre-person": ("talking",),
    },
    "TALKED": {"after": (f"$[{_NOW_EXACT} - 0${{CONNECTED_AT}}]",)},
}  # fmt: skip
#: application → context → what must have been set before it, so that nothing of an earlier try is taken for this one's
SET_BEFORE: dict[str, dict[str, tuple[str, ...]]] = {
    "Queue": dict.fromkeys(("waiting", "overflow"), ("QUEUE_PRIO=$[2147483647 - ${ARRIVED}]", "LISTENER_CHANNEL=")),
    "Dial": {"lost": ("LISTENER_CHANNEL=",), "overflow": ("PERSON=",)},
}
#: The others, which only tell or remember: in which contexts each is set. What is in neither is a finding: Asterisk's
#: applications read more variables than anybody has listed.
REMEMBERS: dict[str, frozenset[str]] = {
    name: frozenset(contexts.split())
    for name, contexts in {
        "AGAIN": "lost",
        "ASKED_AT": "centre-person",
        "ASKED_FOR": "centre-person",
        "CALLER_TOKEN": "guard",
        "CALL_KEY": "guard",
        "CENTRE": "overflow",
        "CENTRE_KNOWN": "overflow",
        "DB_RESULT": "guard",
        "DELIVERED": "from-trunk",
        "DEPARTMENT": "overflow",
        "DIGITS": "guard",
        "HEARTBEAT_SEEN": "pbx-decides",
        "LETTERS": "guard",
        "LINE": "from-trunk numbers",
        "LOOKS": "leg-cause",
        "LOOK_SOON": "waiting pbx-decides",
        "LOST_AT": "lost",
        "NONCE": "guard",
        "OVERFLOWED_AT": "overflow",
        "OVERFLOW_BY": "waiting pbx-decides",
        "OVERFLOW_TARGET": "waiting pbx-decides overflow",
        "OWN_REASON": "connected",
        "PHONE": "lost",
        "QUEUE_WITHDRAW_INFO": "waiting",
        "RANG": "guard ring-ends",
        "REFUSED": "overflow",
        "ROUND_BEGAN": "waiting",
        "STALE_SOURCE": "leg-cause",
        "STEP": "guard step",
        "STEP_AT": "step",
        "STEP_DETAIL": "step",
        "STEP_WHAT": "step",
        "TAKEN": "connected",
        "WAITING_SINCE": "waiting",
        "centre": "centre-person",
        "meant": "ended",
        "n": "step",
        "now": "pbx-decides",
        "person": "ended",
        "queue": "connected",
        "source": "ring-ends",
    }.items()
}
#: [globals]: each must be there, none beside them. CALLERS_MOST: as many as the audio ports of rtp.conf carry.
GLOBALS: Keys = {
    "OVERFLOW_AFTER": between(5, 10**9, required=True),
    "OVERFLOW_AGAIN": between(30, 10**9, required=True),
    "GRACE": between(0, 120, required=True),
    "CENTRE_RING": between(5, 120, required=True),
    "PRESS_ONE": between(5, 60, required=True),
    "QUEUE_ROUND": between(5, 300, required=True),
    "CALLERS_MOST": between(100, 16_384, required=True),
    "LINE_LANGUAGE": like("fr|en", "fr or en"),
    "OUTBOUND_ENDPOINT": like("trunk|", "trunk, or nothing"),
    "OUTBOUND_CALLER_ID": like(r"(\+?[0-9]{2,15})?", "the line's number, or nothing"),
}
EXTENSIONS_GENERAL = {"static": "yes", "writeprotect": "yes", "autofallthrough": "yes", "clearglobalvars": "no"}
