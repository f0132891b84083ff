"""The watch: looks each second, says what begins and ends, shows it; and answers those who ask how the service is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from service.health.alarms import Alarms
from service.health.measures import Measures
from service.health.model import AlarmId, Measured, Thresholds
from service.health.rules import conditions
from service.push.views import Views
from service.world import LinkState, World

LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class Watch:
    """`figures`: makes the text of /metrics. `alarms_now`: where any part may raise an alarm of its own."""

    def __init__(
        self,
        *,
        measures: Measures,
        thresholds: Thresholds,
        alarms: Alarms,
        views: Views,
        world: World,
        figures: Callable[[], bytes] = bytes,
    ) -> None:
        self.alarms_now = alarms
        self.figures = figures
        self._measures = measures
        self._thresholds = thresholds
        self._views = views
        self._world = world

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._measures.run())
            while True:
                try:
                    self.look(self._measures.take(), time.monotonic())
                except Exception:
                    _log.exception("the service could not look at itself", action="watch-failed")
                await asyncio.sleep(LOOK_SECONDS)

    def look(self, measured: Measured, instant: float) -> None:
        """Judge one look, and show what changed. `instant`: monotonic."""
        alarms = self.alarms_now
        found = conditions(measured, self._thresholds, alarms.active.keys())
        began, ended = alarms.judge(found, measured.now, instant)
        for alarm in began:
            _log.error(
                "an alarm began: docs/alarms.md says what to do",
                action="alarm-began",
                what=str(alarm.key),
                state=alarm.definition.severity,
                reason=alarm.cause,
            )
        for alarm in ended:
            seconds = round(measured.now - alarm.since, 1)
            _log.info("an alarm is over", action="alarm-ended", what=str(alarm.key), seconds=seconds)
        self._views.show_alarms(alarms.active.values())
        self._views.board.flush()

    # --- for /readyz and /metrics

    def alarms(self) -> list[str]:
        """Ids of the alarms that last."""
        return self.alarms_now.ids()

    def reasons(self) -> list[str]:
        """Ids of those because of which the service cannot work. Of several PBXs one is enough."""
        none_up = all(line.link is not LinkState.UP for line in self._world.lines.values())
        of_pbx = (AlarmId.PBX_LOST, AlarmId.PBX_REFUSED)
        active = self.alarms_now.active.values()
        return sorted(
            {
                str(alarm.key.id)
                for alarm in active
                if alarm.definition.unready and (none_up or alarm.key.id not in of_pbx)
            }
        )
