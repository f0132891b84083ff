"""The figures of /metrics: read from what runs at the moment they are asked for, so that counting costs nothing.

In a registry of its own. No label names a person, a number or a call: PBX, queue, stage, state and kind are all.
A figure that is not known is not there: no data is not zero.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pbx.calls import LiveCall
from pbx.facts import Stage
from service.health.alarms import Alarms
from service.health.measures import Measures, PbxSources
from service.health.model import DEFINITIONS
from service.listeners.model import ListenerState
from service.push.audiences import Kind
from service.push.hub import Board
from service.world import LinkState, World

#: who speaks with nobody yet, or no more
_WAITING = frozenset({Stage.WAITING, Stage.LOST, Stage.OVERFLOW})


class Figures(Collector):
    """`clock`: epoch seconds."""

    def __init__(
        self,
        *,
        world: World,
        board: Board,
        alarms: Alarms,
        measures: Measures,
        refetches: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._world = world
        self._board = board
        self._alarms = alarms
        self._measures = measures
        self._refetches = refetches
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: names are unique by themselves."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All figures, as of now."""
        yield from self._calls()
        yield from self._people()
        for sources in self._measures.pbxs:
            yield from self._pbx(sources)
        yield from self._health()

    def _calls(self) -> Iterator[Metric]:
        live = _gauge("ecoute_calls_live", "Calls that live now, by what happens to them.", "pbx", "stage")
        waiting = _gauge("ecoute_calls_waiting", "Callers who speak with nobody yet, by queue.", "pbx", "queue")
        oldest = _gauge(
            "ecoute_wait_oldest_seconds", "How long the caller waits who came first, by queue.", "pbx", "queue"
        )
        for pbx, line in self._world.lines.items():
            if line.link is not LinkState.UP:
                continue  # what was last known is not how it is
            calls = [call for call in line.state.calls.values() if call.stage is not Stage.ENDED]
            stages = Counter(call.stage for call in calls)
            for stage in Stage:
                if stage is not Stage.ENDED:
                    live.add_metric([pbx, stage.value], stages[stage])
            for queue, arrivals in _arrivals(calls).items():
                waiting.add_metric([pbx, queue], len(arrivals))
                known = [at for at in arrivals if at]
                if known:
                    oldest.add_metric([pbx, queue], max(0.0, self._now(pbx) - min(known)))
        yield from (live, waiting, oldest)

    def _now(self, pbx: str) -> float:
        offsets = [sources.link.clock_offset for sources in self._measures.pbxs if sources.pbx == pbx]
        return self._clock() + (offsets[0] if offsets else 0.0)

    def _people(self) -> Iterator[Metric]:
        shown = (self._board.value(Kind.LISTENER, id_) for id_ in self._board.ids(Kind.LISTENER))
        states = Counter(value["state"] for value in shown if value is not None)
        listeners = _gauge("ecoute_listeners", "Listeners who are there, by what they do. A count, never who.", "state")
        if any(line.link is LinkState.UP for line in self._world.lines.values()):
            for state in ListenerState:
                listeners.add_metric([state.value], states[state.value])
        sockets = _gauge("ecoute_live_sockets", "Pages whose live feed is open.")
        sockets.add_metric([], self._board.pages)
        refetches = _counter("ecoute_live_refetches", "Pages that fell behind and were told to fetch again.")
        refetches.add_metric([], self._refetches())
        yield from (listeners, sockets, refetches)

    def _pbx(self, sources: PbxSources) -> Iterator[Metric]:
        pbx, link, recorder, instant = [sources.pbx], sources.link, sources.recorder, time.monotonic()
        line = self._world.lines[sources.pbx]
        yield _one("ecoute_pbx_up", "1 while the PBX is connected and in step.", pbx, line.link is LinkState.UP)
        yield _one("ecoute_recorder_backlog_batches", "Batches of facts not stored yet.", pbx, recorder.unstored)
        waits = 0.0 if recorder.waits_since is None else instant - recorder.waits_since
        yield _one("ecoute_recorder_backlog_seconds", "How long the oldest of them waits.", pbx, waits)
        yield _one(
            "ecoute_ami_events_waiting", "Events of the PBX that were not taken in yet.", pbx, link.events_waiting
        )
        if line.link is LinkState.UP:
            yield _one("ecoute_clock_offset_seconds", "The PBX's clock minus ours.", pbx, link.clock_offset)
        if sources.tasks_waiting is not None:
            yield _one("ecoute_task_backlog", "Tasks in Asterisk's longest queue.", pbx, sources.tasks_waiting)
        totals = {
            "ecoute_facts_stored": ("Facts about calls stored, those read again included.", recorder.facts_stored),
            "ecoute_journal_reads": ("How often the PBX's journal was read to its end.", recorder.replays),
            "ecoute_ami_events": ("Events of the PBX that were of use.", link.events_taken),
            "ecoute_ami_reconnects": ("Sessions with the PBX after the first.", max(0, link.sessions - 1)),
            "ecoute_callers_refused": ("Callers who heard the busy tone: no audio port was left.", line.state.refused),
            "ecoute_snapshot_differences": ("What a comparison with the PBX set right.", line.state.corrections),
        }
        for name, (says, count) in totals.items():
            total = _counter(name, says, "pbx")
            total.add_metric(pbx, count)
            yield total
        odd = _counter("ecoute_ami_odd", "What came from the PBX and was of no use, by kind.", "pbx", "kind")
        counts = link.odd
        for kind in counts.__struct_fields__:
            odd.add_metric([*pbx, kind.replace("_", "-")], getattr(counts, kind))
        yield odd

    def _health(self) -> Iterator[Metric]:
        active = Counter(key.id for key in self._alarms.active)
        alarms = _gauge("ecoute_alarms_active", "Alarms that last (docs/alarms.md), by id.", "id", "severity")
        for id_, definition in DEFINITIONS.items():
            alarms.add_metric([id_.value, definition.severity.value], active[id_])
        free = _gauge("ecoute_disk_free_bytes", "Room for us on the disk.", "place")
        files = _gauge("ecoute_disk_free_files", "Files for which there is room.", "place")
        measured = self._measures.take()
        for disk in measured.disks:
            if disk.free_bytes is not None:
                free.add_metric([disk.name], disk.free_bytes)
            if disk.free_files is not None:
                files.add_metric([disk.name], disk.free_files)
        age = _gauge("ecoute_store_written_seconds", "Since the store last stored something; tried every two seconds.")
        age.add_metric([], measured.store.written_age)
        yield from (alarms, free, files, age)


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """A registry with these alone: nothing of the process's own, which prometheus_client would add to its default."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry


def text_of(registry: CollectorRegistry) -> bytes:
    """In Prometheus's text form 0.0.4."""
    return generate_latest(registry)


def _arrivals(calls: Sequence[LiveCall]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for call in calls:
        if call.stage in _WAITING and call.queue:
            found.setdefault(call.queue, []).append(call.arrived)
    return found


def _gauge(name: str, says: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, labels=labels)


def _one(name: str, says: str, pbx: Sequence[str], value: float) -> GaugeMetricFamily:
    gauge = _gauge(name, says, "pbx")
    gauge.add_metric(pbx, value)
    return gauge


def _counter(name: str, says: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, says, labels=labels)
