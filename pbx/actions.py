"""Commands → actions of the manager interface. The only file that writes action words and header names.

What an account may do is in asterisk-config/manager.conf: `service` has no class that writes configuration or AstDB;
what needs class `system` goes through `provision`. Neither may run commands. Hangup is sent from two named places only:
a listener's own "end", and a leg that was lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pbx.commands import (
    AddMember,
    Command,
    DropLostLeg,
    EndConversation,
    Heartbeat,
    KeepOwnReason,
    PauseMember,
    PutRoute,
    ReadDialplan,
    ReadQueues,
    ReadRoutes,
    ReloadDialplan,
    ReloadPhones,
    ReloadQueues,
    RemoveMember,
    SetPenalty,
    WithdrawCaller,
)
from pbx.parse_lists import SNAPSHOT_VARIABLES
from pbx.replies import CommandRefused

#: Q.850: ended on purpose by the listener; anything else that ends a listener's leg is a loss of the listener.
CAUSE_ENDED_BY_LISTENER = "31"
CAUSE_LEG_LOST = "44"
#: Asterisk's answer to a login with an unknown account or a wrong secret.
WRONG_CREDENTIALS = "Authentication failed"
#: Bytes of a header line without its end: what Asterisk takes (manager.c); it refuses the action for a longer one.
LINE_LIMIT = 1022


class Account(StrEnum):
    """By which of our two logins an action goes."""

    SERVICE = "service"
    PROVISION = "provision"


@dataclass(frozen=True, slots=True)
class Action:
    """`fields` without the ActionID. `already`: an error message that says that what was asked holds already.

    `purpose`: tells two uses of one action apart in its id.
    """

    fields: dict[str, str]
    account: Account = Account.SERVICE
    as_list: bool = False
    already: str | None = None
    purpose: str = ""

    def __post_init__(self) -> None:
        for key, value in self.fields.items():
            _refuse_unsendable(key, value)

    @property
    def word(self) -> str:
        """What the action's id begins with, so that an answer says what was asked, in a recording too."""
        return self.fields["Action"] + self.purpose

    def new_id(self) -> str:
        """`QueueStatus/17`: never the same twice in this process."""
        return f"{self.word}/{next(_ids)}"


def _refuse_unsendable(key: str, value: str) -> None:
    """The one guard of what leaves us. Of the value nothing is told: it may hold a name."""
    if any(character in value for character in "\r\n\0"):
        raise CommandRefused("control-character", f"{key} holds a line end, which would be a second action")
    try:
        length = len(f"{key}: {value}".encode())
    except UnicodeEncodeError:
        raise CommandRefused("no-text", f"{key} holds half a character, which cannot be sent") from None
    if length > LINE_LIMIT:
        raise CommandRefused("too-long", f"{key} has {length} bytes with its name; Asterisk takes {LINE_LIMIT}")


_ids = itertools.count(1)


def word_of(action_id: str) -> str:
    """The word of the action with such an id."""
    return action_id.partition("/")[0]


# --- the session's own ----------------------------------------------------------------------------------------------


def login(username: str, secret: str, *, events: bool) -> Action:
    """The secret travels in clear: the interface is bound to loopback."""
    mask = "on" if events else "off"
    return Action({"Action": "Login", "Username": username, "Secret": secret, "Events": mask})


def logoff() -> Action:
    """A clean goodbye."""
    return Action({"Action": "Logoff"})


def ping() -> Action:
    """Its answer carries the PBX's clock."""
    return Action({"Action": "Ping"})


def core_status() -> Action:
    """When this Asterisk process started."""
    return Action({"Action": "CoreStatus"})


def core_settings() -> Action:
    """Asterisk's version."""
    return Action({"Action": "CoreSettings"})


def list_legs() -> Action:
    """Every channel, with the variables by which a call is known."""
    return Action({"Action": "Status", "Variables": ",".join(SNAPSHOT_VARIABLES)}, as_list=True)


def list_members() -> Action:
    """Every queue with its members and who waits."""
    return Action({"Action": "QueueStatus"}, as_list=True)


def compare_members() -> Action:
    """The same while live, to compare."""
    return Action({"Action": "QueueStatus"}, as_list=True, purpose="-compared")


def list_dialplan() -> Action:
    """Every loaded line of the dialplan, for the verifier."""
    return Action({"Action": "ShowDialPlan"}, as_list=True)


def list_contacts() -> Action:
    """Every registration; needs class system."""
    return Action({"Action": "PJSIPShowContacts"}, account=Account.PROVISION, as_list=True, already="No Contacts found")


# --- commands -------------------------------------------------------------------------------------------------------


def of(command: Command, pbx_now: float) -> Action:
    """The action for `command`. `pbx_now`: epoch seconds on the PBX's clock. Raises CommandRefused."""
    if isinstance(command, Heartbeat):
        return heartbeat(pbx_now)
    build = _ACTIONS.get(type(command))
    if build is None:
        raise CommandRefused("unknown-command", type(command).__name__)
    return build(command)


def _named(what: str, value: str) -> str:
    """A value that must be there. A channel that begins with `/` would be a pattern for many channels."""
    if not value or value.startswith("/"):
        raise CommandRefused("no-name", f"{what} must be named, and not by a pattern")
    return value


def _add_member(command: AddMember) -> Action:
    return Action(
        {
            "Action": "QueueAdd",
            "Queue": _named("the queue", command.queue),
            "Interface": _named("the interface", command.interface),
            "StateInterface": command.interface,
            "MemberName": command.name,
            "Penalty": "0",
            "Paused": "true" if command.paused else "false",
            "Reason": command.pause_reason if command.paused else "",
        }
    )


def _remove_member(command: RemoveMember) -> Action:
    return Action(
        {
            "Action": "QueueRemove",
            "Queue": _named("the queue", command.queue),
            "Interface": _named("the interface", command.interface),
        }
    )


def _pause_member(command: PauseMember) -> Action:
    return Action(
        {
            "Action": "QueuePause",
            "Interface": _named("the interface", command.interface),
            "Paused": "true" if command.paused else "false",
            "Reason": command.reason if command.paused else "",
        }
    )


def _keep_own_reason(command: KeepOwnReason) -> Action:
    channel = _named("the caller's channel", command.channel)
    return Action({"Action": "Setvar", "Channel": channel, "Variable": "OWN_REASON", "Value": "1"})


def _withdraw(command: WithdrawCaller) -> Action:
    return Action(
        {
            "Action": "QueueWithdrawCaller",
            "Queue": _named("the queue", command.queue),
            "Caller": _named("the caller's channel", command.channel),
            "WithdrawInfo": command.info,
        }
    )


def _hang_up_a_leg(channel: str, cause: str) -> Action:
    return Action({"Action": "Hangup", "Channel": _named("the leg", channel), "Cause": cause})


def _end_conversation(command: EndConversation) -> Action:
    return _hang_up_a_leg(command.channel, CAUSE_ENDED_BY_LISTENER)


def _drop_lost_leg(command: DropLostLeg) -> Action:
    return _hang_up_a_leg(command.channel, CAUSE_LEG_LOST)


def heartbeat(pbx_now: float) -> Action:
    """The service lives, at this second of the PBX's clock."""
    return Action({"Action": "Setvar", "Variable": "SERVICE_HEARTBEAT", "Value": str(int(pbx_now))})


def read_clock_anchor() -> Action:
    """Since when the PBX's times are steady; empty for a PBX that nobody has told."""
    return Action({"Action": "Getvar", "Variable": "CLOCK_ANCHOR"})


def tell_clock(anchor: str, by: int) -> tuple[Action, Action]:
    """The anchor is for a service that comes later, `by` (seconds) for the dialplan."""
    return (
        Action({"Action": "Setvar", "Variable": "CLOCK_ANCHOR", "Value": anchor}),
        Action({"Action": "Setvar", "Variable": "CLOCK_SET", "Value": str(by)}),
    )


def _put_route(command: PutRoute) -> Action:
    fields = {"Family": _named("the family", command.family), "Key": _named("the key", command.key)}
    if command.value:
        return Action({"Action": "DBPut", **fields, "Val": command.value}, account=Account.PROVISION)
    # AstDB says so when there is nothing to delete: what was asked for holds.
    gone = "Database entry could not be deleted"
    return Action({"Action": "DBDel", **fields}, account=Account.PROVISION, already=gone)


def _read_routes(command: ReadRoutes) -> Action:
    fields = {"Action": "DBGetTree", "Family": _named("the family", command.family)}
    return Action(fields, account=Account.PROVISION, as_list=True)


def _reload_phones(_command: ReloadPhones) -> Action:
    return Action({"Action": "Reload", "Module": "res_pjsip.so"}, account=Account.PROVISION)


def _reload_queues(_command: ReloadQueues) -> Action:
    return Action({"Action": "Reload", "Module": "app_queue.so"}, account=Account.PROVISION)


def _reload_dialplan(_command: ReloadDialplan) -> Action:
    return Action({"Action": "Reload", "Module": "pbx_config.so"}, account=Account.PROVISION)


def _set_penalty(command: SetPenalty) -> Action:
    return Action(
        {
            "Action": "QueuePenalty",
            "Queue": _named("the queue", command.queue),
            "Interface": _named("the interface", command.interface),
            "Penalty": str(command.penalty),
        }
    )


def _read_queues(_command: ReadQueues) -> Action:
    return Action({"Action": "QueueStatus"}, as_list=True, purpose="-read")


def _read_dialplan(command: ReadDialplan) -> Action:
    return Action({"Action": "ShowDialPlan", "Context": _named("the context", command.context)}, as_list=True)


_ACTIONS: dict[type[Command], Callable[[Any], Action]] = {
    AddMember: _add_member,
    RemoveMember: _remove_member,
    PauseMember: _pause_member,
    KeepOwnReason: _keep_own_reason,
    WithdrawCaller: _withdraw,
    EndConversation: _end_conversation,
    DropLostLeg: _drop_lost_leg,
    PutRoute: _put_route,
    ReadRoutes: _read_routes,
    ReadQueues: _read_queues,
    ReadDialplan: _read_dialplan,
    SetPenalty: _set_penalty,
    ReloadDialplan: _reload_dialplan,
    ReloadPhones: _reload_phones,
    ReloadQueues: _reload_queues,
}

#: The end of Asterisk's message → our stable id.
_REFUSALS = {
    "Already there": "already-there",
    "Not there": "not-there",
    "Interface not found": "not-there",
    "No such queue": "no-such-queue",
    "No such channel": "no-such-channel",
    "No such caller": "no-such-caller",
    "Permission denied": "permission-denied",
    "No such module": "no-such-module",
}
#: All ids of refusals.
REFUSALS: Final = (*dict.fromkeys(_REFUSALS.values()), "refused-by-pbx")


def refusal(message: str) -> CommandRefused:
    """Asterisk's error as ours."""
    for ending, word in _REFUSALS.items():
        if message.endswith(ending):
            return CommandRefused(word, message)
    return CommandRefused("refused-by-pbx", message)
