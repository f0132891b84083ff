/** The callers who wait and those who are being listened to, as tables. */

import type { ComponentChildren } from "preact";
import type { BoardCall } from "../api/types";
import { clockTime, words } from "../i18n";
import { centreName, queueName } from "../i18n/places";
import { happening } from "./rows";
import { TileAge } from "./TileAge";
import { waited } from "./time";

/** No data is shown as no data. */
export function orUnknown(text: string | null | undefined): string {
  return text === null || text === undefined || text === "" ? words.value.board.unknown : text;
}

interface CallsProps {
  calls: readonly BoardCall[];
  trusted: boolean;
}

/** Who waits, since they arrived: neither a centre that was offered nor a lost listener starts it again. */
export function Waiting({ calls, trusted, now }: CallsProps & { now: number }) {
  const { board: w, places } = words.value;
  return (
    <Panel
      title={w.waiting}
      count={w.count(calls.length)}
      testid="board-waiting"
      size={calls.length}
      empty={w.noneWaiting}
      trusted={trusted}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{w.rank}</th>
            <th scope="col">{w.arrived}</th>
            <th scope="col">{w.waited}</th>
            <th scope="col">{w.now}</th>
            <th scope="col">{w.where}</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <tr key={call.call_id} data-call-id={call.call_id} data-stage={call.stage}>
              <th scope="row" data-label={w.rank}>
                {call.stage === "entry" ? "–" : orUnknown(call.position?.toString())}
              </th>
              <td data-label={w.arrived}>{orUnknown(clockTime(call.arrived_at))}</td>
              <td data-label={w.waited}>
                {/* after a first conversation the time since arrival is no waiting time, and conversations are not timed */}
                <strong>{orUnknown(call.answered_at === null ? waited(call.arrived_at, now, w) : null)}</strong>
              </td>
              <td data-label={w.now}>{happening(call, words.value)}</td>
              <td data-label={w.where}>{call.queue === null ? "–" : queueName(call.queue, places)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

/** When a conversation began, never how long it has lasted. */
export function InProgress({ calls, trusted }: CallsProps) {
  const { board: w, places } = words.value;
  return (
    <Panel
      title={w.calls}
      count={String(calls.length)}
      testid="board-calls"
      size={calls.length}
      empty={w.noneCalls}
      trusted={trusted}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{w.listener}</th>
            <th scope="col">{w.began}</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <tr key={call.call_id} data-call-id={call.call_id}>
              <th scope="row" data-label={w.listener}>
                {orUnknown(call.listener_name ?? (call.centre === null ? null : centreName(call.centre, places)))}
              </th>
              <td data-label={w.began}>{orUnknown(clockTime(call.answered_at))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

/** Who hears that the line is closed: they do not wait. */
export function Others({ calls }: { calls: readonly BoardCall[] }) {
  const w = words.value.board;
  return (
    <Panel title={w.others} count={w.count(calls.length)} testid="board-others" size={calls.length} trusted>
      <table>
        <thead>
          <tr>
            <th scope="col">{w.stage}</th>
            <th scope="col">{w.arrived}</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <tr key={call.call_id} data-call-id={call.call_id}>
              <th scope="row" data-label={w.stage}>
                {w.stages[call.stage]}
              </th>
              <td data-label={w.arrived}>{orUnknown(clockTime(call.arrived_at))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

interface PanelProps {
  title: string;
  count: string;
  testid: string;
  size: number;
  /** What nothing means here, where the count does not say it. */
  empty?: string;
  /** False: nothing here is no proof that there is nothing. */
  trusted: boolean;
  children: ComponentChildren;
}

export function Panel({ title, count, testid, size, empty, trusted, children }: PanelProps) {
  const nothing = trusted ? empty : words.value.board.noData;
  return (
    <section class="card panel" data-testid={testid} data-count={size} aria-labelledby={`${testid}-title`}>
      <div class="panel-head">
        <h2 id={`${testid}-title`}>{title}</h2>
        <TileAge />
        <p class="count">{size === 0 && !trusted ? "–" : count}</p>
      </div>
      {size > 0 ? children : nothing !== undefined && <p class="quiet">{nothing}</p>}
    </section>
  );
}
