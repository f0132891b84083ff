"""The composition root: the only file that knows every room.

await serve(settings)               # until SIGTERM or SIGINT; the PBX and its calls go on
service = await build(settings)     # for tests: store upgraded, keys loaded, everything wired, nothing started
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

from pbx import site
from pbx.errors import SetupError
from pbx.layout import Layout
from pbx.link import LinkConfig, PbxLink
from service.accounts import queries as account_queries
from service.accounts import routes as account_routes
from service.accounts import second_step
from service.audit import routes as audit_routes
from service.audit.anchors import Anchors
from service.audit.anchors import file_of as anchors_file
from service.calls import routes as call_routes
from service.calls.announce import Announcer
from service.calls.books_check import BooksCheck
from service.calls.caller_keys import CallerKeys
from service.calls.lookup import Lookup
from service.calls.numbers import CallerNumbers
from service.calls.purging import JournalPurge
from service.calls.recorder import Recorder
from service.calls.use_cases import Archive
from service.cases import routes as case_routes
from service.centres.use_cases import load_routes
from service.drafts import routes as draft_routes
from service.drift import DriftWatch
from service.health.alarms import Alarms
from service.health.measures import Measures, PbxSources
from service.health.metrics import Figures, registry_of, text_of
from service.health.model import Thresholds
from service.health.traffic import Traffic
from service.health.watch import Watch
from service.http.app import create_app
from service.http.options import HttpOptions, own_origins
from service.http.routing import RouteTable
from service.keys import Keyring
from service.listeners import routes as listener_routes
from service.listeners.departures import Departures
from service.listeners.phones import Phones
from service.listeners.use_cases import phone_gone
from service.live import LIVE, Live
from service.log import failed_in_loop
from service.numbers import read_rules
from service.provisioning import Provisioning
from service.pump import Pump
from service.push import routes as push_routes
from service.push.hub import Board
from service.push.presence import Presence
from service.push.socket import paced
from service.push.views import Views
from service.queues.wishes import Wishes
from service.running import PbxParts, Service
from service.settings import Health, Pbx, Settings
from service.store.engine import Store
from service.store.key_watch import KeyWatch
from service.store.secrets import load_caller_keys, open_keys
from service.world import Person, Rules, World, live_calls

#: every declared route of the service, also for `python -m service.cli.describe`
ROUTE_TABLES: Final[Sequence[RouteTable]] = (
    account_routes.routes,
    case_routes.routes,
    draft_routes.routes,
    audit_routes.routes,
    call_routes.routes,
    listener_routes.routes,
    push_routes.routes,
)
#: of the service, as nice(1) has it: as of Asterisk (pbx/process.py), about
NICENESS: Final = -10
#: the built pages
PAGES: Final = Path(__file__).parent / "frontend" / "dist"


async def serve(settings: Settings, ready: Callable[[], None] | None = None, *, record_ami: Path | None = None) -> None:
    """Run the service until SIGTERM or SIGINT. `ready`: called when its pages and every PBX answer."""
    allow_many_files()
    come_first()
    asyncio.get_running_loop().set_exception_handler(failed_in_loop)
    service = await build(settings, record_ami=record_ami)
    read_rules(settings.line.country)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    await service.run(ready)


def allow_many_files() -> None:
    """As many descriptors as the machine allows: a shell's own 1,024 are used up by the pages of 300 listeners."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def come_first() -> None:
    """With Asterisk before what else the machine does, where that is allowed: a phone rings, its listener looks here.

    Where the kernel gives each session its share (autogroup), or each unit, this counts within that share alone.
    """
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


async def build(settings: Settings, *, record_ami: Path | None = None) -> Service:
    """Everything wired over an upgraded store. Starts neither Asterisk nor any task.

    `record_ami`: file to which the sessions with the PBX are recorded; of several PBXs each has its own beside it.
    KeysError when the master key is missing or another store's; SQLAlchemy's errors when the store is not there.
    """
    data_dir = settings.store.data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    store = Store(settings.store_url)
    keyring = await open_keys(store, data_dir)
    world = World(_rules(settings))
    async with store.reading() as session:
        numbers = CallerNumbers(await load_caller_keys(session, keyring), settings.line.country)
        world.routes = await load_routes(session)
        for account in await account_queries.accounts(session):
            world.people[account.id] = Person(account.id, account.display_name, account.centre)
    await second_step.ask_of_sessions(store, keyring, settings.accounts.totp_roles, datetime.now(UTC))
    board = Board(paced)
    lookup = Lookup(store, keyring, numbers)
    views = Views(world, board, lookup)
    lookup.tell = views.learn
    live = Live(settings, world, board, views, Presence(), lookup)
    keys = KeyWatch(store, keyring)
    traffic = Traffic(registry := registry_of())
    measures = Measures(store, keys, world, traffic, [], _disks(settings, store, data_dir))
    alarms = Alarms()
    registry.register(
        Figures(world=world, board=board, alarms=alarms, measures=measures, refetches=lambda: live.refetches)
    )
    wishes = Wishes(store)
    live.join_queues, live.leave_queues = wishes.join, wishes.leave
    service = Service(
        settings=settings,
        store=store,
        live=live,
        announcer=Announcer(store, world, views),
        keys=keys,
        departures=Departures(store, keyring, live),
        anchors=Anchors(store, keyring, anchors_file(data_dir)),
        wishes=wishes,
        watch=Watch(
            measures=measures,
            thresholds=_thresholds(settings.health),
            alarms=alarms,
            views=views,
            world=world,
            figures=lambda: text_of(registry),
        ),
    )
    for pbx in settings.pbx:
        record = record_ami if record_ami is None or len(settings.pbx) == 1 else _beside(record_ami, pbx.id)
        service.pbxs.append(_wire(settings, pbx, service, keyring, numbers, record=record))
    measures.pbxs = [_sources(settings, parts) for parts in service.pbxs]
    service.app = _web(settings, service, keyring, traffic)
    service.ssl_context = _tls(settings)
    return service


def _beside(file: Path, pbx: str) -> Path:
    return file.with_name(f"{file.stem}-{pbx}{file.suffix}")


def _wire(
    settings: Settings, pbx: Pbx, service: Service, keyring: Keyring, numbers: CallerNumbers, *, record: Path | None
) -> PbxParts:
    """The parts of one PBX."""
    live, store = service.live, service.store
    layout = Layout.of(settings.store.data_dir.absolute(), pbx.id)
    link = PbxLink(_link_config(pbx, layout), record=record, reread=lambda: _link_config(pbx, layout))
    recorder = Recorder(
        store,
        Archive(pbx.id, keyring, numbers),
        layout.journal,
        live=lambda: live_calls(link.state),
        announce=service.announcer.recorded,
        ending=service.announcer.ending,
        remember=link.state.remember_token,
    )
    phones = Phones(store, keyring, link, layout, in_call=live.world.accounts_in_call)
    phones.moved = live.views.phones_moved
    keys = CallerKeys(store, keyring, numbers.keys, link)
    provisioning = Provisioning(store, live.world, link, layout, phones=phones, keys=keys)
    pump = Pump(
        link,
        world=live.world,
        views=live.views,
        presence=live.presence,
        recorder=recorder,
        lookup=live.lookup,
        on_connected=service.connected,
    )
    live.links[pbx.id] = link
    live.phones[pbx.id] = phones.ensure
    live.websocket_urls[pbx.id] = websocket_url(pbx)
    live.recorders[pbx.id] = recorder.writing_ended
    service.departures.phones.append(phones)
    drift = DriftWatch(store, live, link, layout, keys=keys, provisioning=provisioning, wishes=service.wishes)
    live.forget_wrapups.append(drift.forget_wrapup)
    return PbxParts(
        link,
        pump,
        recorder,
        provisioning,
        JournalPurge(store, pbx.id, layout.journal),
        BooksCheck(
            store,
            pbx.id,
            layout.queue_log,
            live=lambda: live_calls(link.state),
            complete=lambda: link.connected and recorder.complete,
        ),
        drift,
    )


def _sources(settings: Settings, parts: PbxParts) -> PbxSources:
    """Where the watch looks at one PBX. The control socket of one elsewhere is not ours to ask."""
    pbx = parts.link.config.pbx
    layout = Layout.of(settings.store.data_dir.absolute(), pbx)
    control = layout.control_socket if layout.run.is_dir() else None
    return PbxSources(pbx, parts.link, parts.recorder, parts.pump, control)


def _disks(settings: Settings, store: Store, data_dir: Path) -> dict[str, Path]:
    """Directories whose disks must not fill up, by the name that an alarm gives them."""
    found = {"data": data_dir}
    if store.file is not None:
        found["database"] = store.file.parent
    for pbx in settings.pbx:
        logs = Layout.of(data_dir, pbx.id).log
        if logs.is_dir():
            found[pbx.id] = logs
    return found


def _thresholds(health: Health) -> Thresholds:
    return Thresholds(
        disk_full_bytes=health.disk_full_mb * 1_000_000,
        disk_low_bytes=health.disk_low_mb * 1_000_000,
        disk_full_files=health.disk_full_files,
        disk_low_files=health.disk_low_files,
        clock_offset_seconds=health.clock_offset_seconds,
        backlog_batches=health.backlog_batches,
        backlog_events=health.backlog_events,
        tasks_waiting=health.task_backlog,
    )


def _web(settings: Settings, service: Service, keyring: Keyring, traffic: Traffic) -> web.Application:
    http = settings.http
    options = HttpOptions(
        origins=own_origins(
            host=http.host,
            port=http.port,
            public_url=http.public_url,
            other_urls=http.other_urls,
            https=http.certificate is not None,
        ),
        sockets=tuple(service.live.websocket_urls.values()),
        pages=PAGES if PAGES.is_dir() else None,
        timezone=settings.line.timezone,
        trusted_proxies=tuple(http.trusted_proxies),
        drafts_keep_days=settings.drafts.keep_days,
        second_step_roles=frozenset(settings.accounts.totp_roles),
        audit_anchors=anchors_file(settings.store.data_dir.absolute()),
        metrics_token=settings.metrics.token,
    )

    async def pbx_answers() -> None:
        service.live.reachable()  # one of several is enough: its calls need the pages

    app = create_app(
        store=service.store,
        keyring=keyring,
        tables=ROUTE_TABLES,
        options=options,
        readiness={"pbx": pbx_answers},
        publish=service.publish,
        left=partial(phone_gone, service.live),
        health=service.watch,
        answered=traffic.answered,
    )
    app[LIVE] = service.live
    return app


def _rules(settings: Settings) -> Rules:
    return Rules(
        after_seconds=settings.overflow.after_seconds,
        again_after_seconds=settings.overflow.again_after_seconds,
        settle_seconds=settings.recovery.settle_seconds,
        storm_legs=settings.storms.failed_legs,
        storm_seconds=settings.storms.within_seconds,
    )


def _link_config(pbx: Pbx, layout: Layout) -> LinkConfig:
    """The secrets were made when the site was written."""
    try:
        secrets = site.read_secrets(layout)
    except FileNotFoundError:
        raise SetupError(
            "pbx-not-prepared",
            f"The PBX {pbx.id} was never started here, so its secrets are not known.",
            "Start it first: `ecoute pbx run`, or `ecoute up` for both.",
        ) from None
    return LinkConfig(
        pbx=pbx.id,
        host=pbx.host,
        port=pbx.ami_port,
        username="service",
        secret=secrets["service"],
        provision_username="provision",
        provision_secret=secrets["provision"],
    )


def websocket_url(pbx: Pbx) -> str:
    """Where browsers reach the PBX."""
    return pbx.websocket_url or f"ws://localhost:{pbx.http_port}/ws"


def _tls(settings: Settings) -> ssl.SSLContext | None:
    http = settings.http
    if http.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(http.certificate, http.private_key, password=lambda: "")  # never asked for on the terminal
    return context
