"""What a listener asks for. Nothing here changes a view: the event that comes back from the PBX does."""

from __future__ import annotations

import contextlib

from pbx.commands import AddMember, EndConversation, KeepOwnReason, PauseMember, RemoveMember
from pbx.facts import Stage
from service.accounts.pause_reasons import PAUSE_REASONS
from service.accounts.viewer import Viewer
from service.errors import Conflict, Forbidden, ServiceError, Unfit
from service.listeners.model import WRAP_UP, ListenerState, endpoint_of, interface_of
from service.live import Live
from service.queues.model import NATIONAL_QUEUE

_PAUSE_KEYS = frozenset(reason.key for reason in PAUSE_REASONS)


async def sign_in(live: Live, viewer: Viewer) -> None:
    """Serve the national queue, and the own centre's where it has one. What is so already is not asked again.

    Who signed out under a conversation comes back to its wrap-up: nobody is rung while they talk or write.
    """
    live.meet(viewer)
    interface = interface_of(viewer.account_id)
    wanted = [NATIONAL_QUEUE]
    if viewer.centre in live.world.routes.queues():
        wanted.append(str(viewer.centre))
    for pbx in live.reachable():
        member = live.world.lines[pbx].state.members.get(interface)
        served = member.queues if member is not None else set()
        paused, reason = (
            (member.paused, member.pause_reason) if member is not None else _pause_of_a_newcomer(live, viewer)
        )
        for queue in wanted:
            if queue not in served:
                await live.send(
                    AddMember(
                        pbx=pbx,
                        queue=queue,
                        interface=interface,
                        name=endpoint_of(viewer.account_id),
                        paused=paused,
                        pause_reason=reason,
                    )
                )
    await live.join_queues(viewer.account_id, wanted)


async def sign_out(live: Live, viewer: Viewer) -> None:
    """Serve no queue any more. A conversation goes on. What they want holds also where a PBX cannot be told."""
    await live.leave_queues(viewer.account_id)
    interface = interface_of(viewer.account_id)
    refusals: list[ServiceError] = []
    for pbx in live.reachable():
        member = live.world.lines[pbx].state.members.get(interface)
        for queue in sorted(member.queues) if member is not None else []:
            try:
                await live.send(RemoveMember(pbx=pbx, queue=queue, interface=interface))
            except ServiceError as error:  # about this queue alone: the others ring them no more
                refusals.append(error)
    if refusals:
        raise refusals[0]


async def phone_gone(live: Live, viewer: Viewer) -> None:
    """They signed out without leaving the queues first (their page knew nothing of them, or was a script)."""
    with contextlib.suppress(ServiceError):  # what they want holds; a PBX that cannot be told now is held to it later
        await sign_out(live, viewer)


async def pause(live: Live, viewer: Viewer, reason: str) -> None:
    """No call until they resume. During a conversation: from its end on, instead of the wrap-up."""
    if reason not in _PAUSE_KEYS:
        raise Unfit("pause-reason-unknown", f"Choose one of: {', '.join(sorted(_PAUSE_KEYS))}.", field="reason")
    interface = interface_of(viewer.account_id)
    for pbx in _serving(live, viewer):
        for call in live.world.lines[pbx].calls_of(interface):
            # first, so that a leg lost this instant finds it; refused when the call is over: then nothing overwrites
            with contextlib.suppress(Conflict):
                await live.send(KeepOwnReason(pbx=pbx, channel=call.channel))
        await live.send(PauseMember(pbx=pbx, interface=interface, paused=True, reason=reason))


async def resume(live: Live, viewer: Viewer) -> None:
    """End the wrap-up or the pause: the listener alone does this. Also of one who signed out while they talked."""
    doing = live.world.doing(viewer.account_id)
    if doing.state is ListenerState.TALKING:
        raise Conflict("in-conversation", "You are in a conversation: end it first.")
    if viewer.confined:
        await _finish(live, viewer)
        return
    if _writes_as_nobodys_member(live, viewer):
        _end_writing(live, viewer)
        return
    pbxs = _serving(live, viewer)
    untold = _writes_unpaused(live, viewer)
    before = set(live.world.calls_of(viewer.account_id))
    if doing.state is ListenerState.WRAP_UP:
        live.views.ending_wrapup.add(viewer.account_id)
        live.views.show_again(viewer.account_id)
    try:
        for pbx in pbxs:
            await live.send(PauseMember(pbx=pbx, interface=interface_of(viewer.account_id), paused=False))
            if not before.issuperset(live.world.calls_of(viewer.account_id)):
                return  # they took the next caller meanwhile: that wrap-up is not the one that they end
    except Exception:
        live.views.ending_wrapup.discard(viewer.account_id)
        live.views.show_again(viewer.account_id)
        raise
    live.world.writing_ended(viewer.account_id)  # not before: a PBX that died on the way was told nothing
    untold = untold and _writes_unpaused(live, viewer)  # not what began meanwhile, and may be over already
    if untold or live.world.is_done(viewer.account_id):  # done: the event came while another PBX still held them
        _end_writing(live, viewer)


async def end_call(live: Live, viewer: Viewer, call_id: str) -> None:
    """The listener's own "end", where their phone could not say it. Nobody else may end a conversation."""
    pbx, call = live.call(call_id)
    if call.listener != interface_of(viewer.account_id):
        raise Forbidden("not-your-call", "Only the listener in the conversation may end it.")
    if call.stage is not Stage.TALKING or not call.listener_channel:
        raise Conflict("not-in-conversation", "There is no conversation to end now: look at the page's state.")
    await live.send(EndConversation(pbx=pbx, channel=call.listener_channel))


async def _finish(live: Live, viewer: Viewer) -> None:
    """The end of the one contact that they had left: they are free for nobody after it, so out of the queues first."""
    if live.world.calls_of(viewer.account_id):
        raise Conflict("in-conversation", "The caller is still on the line for you: end the conversation first.")
    if live.world.queues_of(viewer.account_id):
        await sign_out(live, viewer)
    _end_writing(live, viewer)


def _end_writing(live: Live, viewer: Viewer) -> None:
    live.world.writing_ended(viewer.account_id)
    live.views.drop_contact(viewer.account_id)
    live.end_writing(viewer.account_id)
    for forget in live.forget_wrapups:
        forget(viewer.account_id)
    live.views.show_again(viewer.account_id)


def _pause_of_a_newcomer(live: Live, viewer: Viewer) -> tuple[bool, str]:
    """Whether a new member is paused, and why."""
    talks = live.world.doing(viewer.account_id).state is ListenerState.TALKING
    return (True, WRAP_UP) if talks or viewer.account_id in live.views.contacts else (False, "")


def _writes_as_nobodys_member(live: Live, viewer: Viewer) -> bool:
    """They left the queues before they had written it up: no pause of theirs says that they still write."""
    return _writes_unpaused(live, viewer) and not live.world.queues_of(viewer.account_id)


def _writes_unpaused(live: Live, viewer: Viewer) -> bool:
    """No event will tell that their writing-up ended: the queue in which they were paused for it has them no more."""
    account_id = viewer.account_id
    if account_id not in live.views.contacts or live.world.writing(account_id):
        return False
    return not live.world.calls_of(account_id)


def _serving(live: Live, viewer: Viewer) -> list[str]:
    """PBXs where the listener is signed in."""
    interface = interface_of(viewer.account_id)
    found = [pbx for pbx in live.reachable() if interface in live.world.lines[pbx].state.members]
    if not found:
        raise Conflict("not-signed-in-to-queue", "Sign in to the queue first.")
    return found
