"""What a listener asks for. Nothing here changes a view: the event that comes back from the PBX does."""

from __future__ import annotations

from pbx.commands import AddMember, EndConversation, PauseMember, RemoveMember
from pbx.facts import Stage
from service.accounts.pause_reasons import PAUSE_REASONS
from service.accounts.viewer import Viewer
from service.errors import Conflict, Forbidden, Unfit
from service.listeners.model import ListenerState, endpoint_of, interface_of
from service.live import Live
from service.queues.model import NATIONAL_QUEUE

_PAUSE_KEYS = frozenset(reason.key for reason in PAUSE_REASONS)


async def sign_in(live: Live, viewer: Viewer) -> None:
    """Serve the national queue, and the own centre's where it has one. What is so already is not asked again."""
    live.meet(viewer)
    interface = interface_of(viewer.account_id)
    wanted = [NATIONAL_QUEUE]
    if viewer.centre in live.world.routes.queues():
        wanted.append(str(viewer.centre))
    for pbx in live.reachable():
        member = live.world.lines[pbx].state.members.get(interface)
        served = member.queues if member is not None else set()
        paused, reason = (member.paused, member.pause_reason) if member is not None else (False, "")
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


async def sign_out(live: Live, viewer: Viewer) -> None:
    """Serve no queue any more. A conversation goes on."""
    interface = interface_of(viewer.account_id)
    for pbx in live.reachable():
        member = live.world.lines[pbx].state.members.get(interface)
        for queue in sorted(member.queues) if member is not None else []:
            await live.send(RemoveMember(pbx=pbx, queue=queue, interface=interface))


async def pause(live: Live, viewer: Viewer, reason: str) -> None:
    """No call until they resume. During a conversation: from its end on, instead of the wrap-up."""
    if reason not in _PAUSE_KEYS:
        raise Unfit("pause-reason-unknown", f"Choose one of: {', '.join(sorted(_PAUSE_KEYS))}.", field="reason")
    for pbx in _serving(live, viewer):
        await live.send(PauseMember(pbx=pbx, interface=interface_of(viewer.account_id), paused=True, reason=reason))


async def resume(live: Live, viewer: Viewer) -> None:
    """End the wrap-up or the pause: the listener alone does this."""
    doing = live.world.doing(viewer.account_id)
    if doing.state is ListenerState.TALKING:
        raise Conflict("in-conversation", "You are in a conversation: end it first.")
    pbxs = _serving(live, viewer)
    if doing.state is ListenerState.WRAP_UP:
        live.views.ending_wrapup.add(viewer.account_id)
        live.views.show_again(viewer.account_id)
    try:
        for pbx in pbxs:
            await live.send(PauseMember(pbx=pbx, interface=interface_of(viewer.account_id), paused=False))
    except Exception:
        live.views.ending_wrapup.discard(viewer.account_id)
        live.views.show_again(viewer.account_id)
        raise


async def end_call(live: Live, viewer: Viewer, call_id: str) -> None:
    """The listener's own "end", where their phone could not say it. Nobody else may end a conversation."""
    pbx, call = live.call(call_id)
    if call.listener != interface_of(viewer.account_id):
        raise Forbidden("not-your-call", "Only the listener in the conversation may end it.")
    if call.stage is not Stage.TALKING or not call.listener_channel:
        raise Conflict("not-in-conversation", "There is no conversation to end now: look at the page's state.")
    await live.send(EndConversation(pbx=pbx, channel=call.listener_channel))


def _serving(live: Live, viewer: Viewer) -> list[str]:
    """PBXs where the listener is signed in."""
    interface = interface_of(viewer.account_id)
    found = [pbx for pbx in live.reachable() if interface in live.world.lines[pbx].state.members]
    if not found:
        raise Conflict("not-signed-in-to-queue", "Sign in to the queue first.")
    return found
