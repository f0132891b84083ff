"""The alarms that last: from conditions that hold now, each second anew, so that they end by themselves. Pure.

alarms.raise_(AlarmId.MEMBER_STORM, "PJSIP/l12", since)   # by any part of the service: holds until it is cleared
alarms.clear(AlarmId.MEMBER_STORM, "PJSIP/l12")
began, ended = alarms.judge(conditions, now, instant)     # once a second, by the watch
"""

from __future__ import annotations

from collections.abc import Mapping

from service.health.model import DEFINITIONS, Alarm, AlarmId, Cause, Condition, Key


class Alarms:
    """Belongs to the event loop. Time is handed in."""

    def __init__(self) -> None:
        self._active: dict[Key, Alarm] = {}
        self._raised: dict[Key, Condition] = {}
        self._seen: dict[Key, float] = {}  #: conditions that hold, since which instant without a break
        self._over: dict[Key, float] = {}  #: alarms whose condition does not hold, since which instant

    # --- from any part of the service

    def raise_(self, id: AlarmId, subject: str = "", since: float | None = None, cause: Cause | None = None) -> None:
        """It is so until `clear`. Saying it again, as each second, changes nothing. `since`: epoch seconds.

        `subject` is shown to supervisors and logged: an id of ours, never a name or a number.
        """
        self._raised.setdefault(Key(id, subject), Condition(since, cause))

    def clear(self, id: AlarmId, subject: str = "") -> None:
        """It is so no more, or never was."""
        self._raised.pop(Key(id, subject), None)

    # --- the watch

    def judge(self, found: Mapping[Key, Condition], now: float, instant: float) -> tuple[list[Alarm], list[Alarm]]:
        """The alarms that began and those that ended. `now`: epoch seconds; `instant`: of a clock that never jumps."""
        holds = {**self._raised, **found}
        began = [alarm for key, so in holds.items() if (alarm := self._hold(key, so, now, instant)) is not None]
        for key in [key for key in self._seen if key not in holds]:
            del self._seen[key]
        ended = [self._active[key] for key in list(self._active) if key not in holds and self._is_over(key, instant)]
        for alarm in ended:
            del self._active[alarm.key], self._over[alarm.key]
        return began, ended

    def _hold(self, key: Key, so: Condition, now: float, instant: float) -> Alarm | None:
        """The alarm, if it begins now."""
        held = instant - self._seen.setdefault(key, instant)
        self._over.pop(key, None)
        known = self._active.get(key)
        if known is not None:
            if known.cause is not so.cause:
                self._active[key] = Alarm(key, known.since, so.cause)
            return None
        if held < DEFINITIONS[key.id].raise_after:
            return None
        self._active[key] = Alarm(key, now - held if so.since is None else so.since, so.cause)
        return self._active[key]

    def _is_over(self, key: Key, instant: float) -> bool:
        return instant - self._over.setdefault(key, instant) >= DEFINITIONS[key.id].clear_after

    # --- what lasts

    @property
    def active(self) -> Mapping[Key, Alarm]:
        """All that last now."""
        return self._active

    def ids(self) -> list[str]:
        """Of those that last, each once, sorted."""
        return sorted({str(key.id) for key in self._active})
