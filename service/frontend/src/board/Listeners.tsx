/** The listeners and what each is doing; never how long or how many. */

import type { BoardListener, ListenerState } from "../api/types";
import { me } from "../app/session";
import { live } from "../app/station";
import { clockTime, locale, words } from "../i18n";
import { Icon, type IconName } from "../shell/Icon";
import { orUnknown, Panel } from "./Calls";
import { inOrder } from "./rows";

const MARKS: Record<ListenerState, IconName> = {
  absent: "person",
  free: "check",
  ringing: "bell",
  talking: "answer",
  "wrap-up": "pen",
  paused: "leaf",
  unreachable: "warning",
};

export function Listeners({ trusted }: { trusted: boolean }) {
  const w = words.value.board;
  const listeners = inOrder(live.maps.listener.value.values());
  const free = listeners.filter((listener) => listener.state === "free").length;
  const present = listeners.filter((listener) => listener.state !== "absent").length;
  return (
    <Panel
      title={w.listeners}
      count={present === 0 ? w.nobodyOnDuty : w.freeOf(free, present)}
      testid="board-listeners"
      size={listeners.length}
      trusted={trusted}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{w.listener}</th>
            <th scope="col">{w.state}</th>
            <th scope="col">{w.since}</th>
          </tr>
        </thead>
        <tbody>
          {listeners.map((listener) => (
            <Row key={listener.account_id} listener={listener} />
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Row({ listener }: { listener: BoardListener }) {
  const w = words.value;
  // How long somebody has been talking, writing or resting is nobody's figure.
  const plain = listener.state === "free" || listener.state === "unreachable";
  return (
    <tr data-account-id={listener.account_id} data-state={listener.state}>
      <th scope="row" data-label={w.board.listener}>
        {listener.name}
      </th>
      <td data-label={w.board.state}>
        <span class={`mark mark-${listener.state}`}>
          <Icon name={MARKS[listener.state]} />
          <span>
            {stateWord(listener)}
            {pauseLabel(listener)}
          </span>
        </span>
      </td>
      <td data-label={w.board.since}>{plain ? orUnknown(clockTime(listener.since)) : "–"}</td>
    </tr>
  );
}

function stateWord({ state, pause_reason: reason }: BoardListener): string {
  const w = words.value.state;
  return state === "paused" && (reason === "reconnecting" || reason === "fault") ? w[reason] : w[state];
}

function pauseLabel(listener: BoardListener): string {
  if (listener.state !== "paused") return "";
  const reason = me.value?.pause_reasons.find((known) => known.key === listener.pause_reason);
  if (reason === undefined) return "";
  return ` · ${locale.value === "fr" ? reason.label_fr : reason.label_en}`;
}
