"""What the dialplan may contain, and where: data, one line each.

Whoever adds a context, an application or a function adds it here, with its place where it has one. What is not here is
a finding; so is what is here and stands elsewhere. docs/no-cap.md has the reasons.
"""

from __future__ import annotations

from typing import NamedTuple


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
    "Wait": at(""),
    "Answer": at("", "entry", "listeners"),
    "Ringing": at("", "entry"),
    "Hangup": at("", "closed", "after", "overflow", "listeners", "full"),
    "Log": at("app_verbose", "from-trunk", "full"),
    "Playback": at("app_playback", "entry", "closed", "lost", "overflow", "listeners"),
    "Read": at("app_read", "overflow", "centre-person"),
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
    "CALLERID": at("func_callerid", "guard"),
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
    r"MIXMONITOR_\w+|TOUCH_\w+|VM_\w+|AJ_\w+|MACRO_\w+|SPYGROUP|TIMEOUT|FORCED_DIALPLAN|QUEUE_PRIORITY"
)
EXTENSIONS_GENERAL = {"static": "yes", "writeprotect": "yes", "autofallthrough": "yes", "clearglobalvars": "no"}
