/** What is wrong with the line, in words, and what to do next. Said aloud when it begins and when it is over. */

import type { AlarmState } from "../api/types";
import { live } from "../app/station";
import { clockTime, words } from "../i18n";
import { Icon } from "../shell/Icon";
import { heard } from "./freshness";
import { byGravity, subjectOf } from "./gravity";
import { TileAge } from "./TileAge";

export function Alarms() {
  const w = words.value.alarms;
  const alarms = byGravity(live.maps.alarm.value.values());
  const known = live.known.value && heard();
  return (
    <section
      class={`card panel alarms${alarms.length > 0 ? " some" : ""}${known ? "" : " old"}`}
      data-testid="board-alarms"
      data-count={alarms.length}
      aria-labelledby="board-alarms-title"
    >
      <div class="panel-head">
        <h2 id="board-alarms-title">{w.title}</h2>
        <TileAge ofPbx={false} />
        <p class="count">{known || alarms.length > 0 ? alarms.length : "–"}</p>
      </div>
      {/* Always there, so that what comes into it is announced; what goes leaves its sentence. */}
      <div role="log" aria-live="assertive" aria-relevant="additions text" aria-labelledby="board-alarms-title">
        {alarms.length === 0 && <p class="quiet">{known ? w.none : w.unknown}</p>}
        <ul class="plain alarm-list">
          {alarms.map((alarm) => (
            <Alarm key={`${alarm.id}:${alarm.subject}`} alarm={alarm} />
          ))}
        </ul>
      </div>
    </section>
  );
}

function Alarm({ alarm }: { alarm: AlarmState }) {
  const w = words.value;
  const kind = w.alarms.kinds[alarm.id];
  const subject = subjectOf(alarm, live.maps.listener.value, w.alarms);
  const since = clockTime(alarm.since);
  const cause = alarm.cause === null ? "" : w.alarms.causes[alarm.cause];
  return (
    <li class={`alarm alarm-${alarm.severity}`} data-alarm={alarm.id} data-subject={alarm.subject}>
      <Icon name="warning" />
      <div>
        <p class="alarm-head">
          <span class="alarm-severity">{w.alarms[alarm.severity]}</span>
          <strong>{subject === "" ? kind.title : `${kind.title} (${subject})`}</strong>
          {since !== null && <span class="alarm-since">{w.line.since(since)}</span>}
        </p>
        <p>
          {kind.means} {cause}
        </p>
        <p>
          <strong>{w.alarms.toDo}</strong> {kind.mend}
        </p>
      </div>
    </li>
  );
}
