/** The board of those who watch the line: figures first, then who waits, who talks, who listens. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { live } from "../app/station";
import { clockSeconds, words } from "../i18n";
import { ageing, FRESH_S } from "./age";
import { InProgress, Others, Waiting } from "./Calls";
import { Listeners } from "./Listeners";
import { lists } from "./rows";

/** The service's clock, milliseconds: waiting must not depend on this machine's clock. */
const now = signal(Date.now());
/** The service's clock when it was last heard, milliseconds. */
const heardAt = signal(Date.now());
/** Seconds since the last word from the service. */
const age = signal(0);

export function BoardPage() {
  useEffect(() => {
    const look = (): void => {
      const clock = Date.now() + live.clockOffset.peek();
      const silence = performance.now() - live.lastHeard.peek();
      heardAt.value = clock - silence;
      now.value = lastKnown(clock, heardAt.value);
      age.value = Math.max(0, Math.round(silence / 1000));
    };
    look();
    const timer = setInterval(look, 1_000);
    return () => clearInterval(timer);
  }, []);
  const w = words.value.board;
  const calls = lists(live.maps.call.value.values());
  return (
    <main id="main" class={`board${trusted() ? "" : " stale"}`}>
      <div class="board-head">
        <h1>{w.title}</h1>
        <Age />
      </div>
      {anything() ? (
        <>
          <Waiting calls={calls.waiting} now={now.value} trusted={trusted()} />
          <div class="board-pair">
            <InProgress calls={calls.talking} trusted={trusted()} />
            <Listeners trusted={trusted()} />
          </div>
          {calls.others.length > 0 && <Others calls={calls.others} />}
        </>
      ) : (
        <p class="card stage-card no-data">{w.noData}</p>
      )}
    </main>
  );
}

/** Before the PBX was ever heard there is nothing to show, and nothing is not zero. */
function anything(): boolean {
  return live.known.value && live.lines.value.some((line) => line.state !== "starting");
}

/** What is shown can be believed: the feed is there, fresh, and the PBX speaks with the service. */
function trusted(): boolean {
  const lines = live.lines.value;
  return live.connected.value && age.value < FRESH_S && lines.length > 0 && lines.every((line) => line.state === "up");
}

/** Where the data stops, waiting stops growing on the board: nobody knows whether it does. */
function lastKnown(clock: number, heard: number): number {
  const lost = live.lines.peek().find((line) => line.state !== "up" && line.as_of !== null);
  const asOf = lost?.as_of ? Date.parse(lost.as_of) : Number.POSITIVE_INFINITY;
  return Math.min(live.connected.peek() ? clock : heard, asOf);
}

function Age() {
  const lost = live.lines.value.find((line) => line.state !== "up");
  const state = {
    known: live.known.value,
    lostAt: lost === undefined ? null : clockSeconds(Date.parse(lost.as_of)),
    heardAt: clockSeconds(heardAt.value),
    seconds: age.value,
  };
  return (
    <p
      class={`badge ${trusted() ? "line-up" : "line-lost"}`}
      data-testid="board-age"
      data-seconds={live.known.value ? age.value : ""}
    >
      <span class="badge-mark" aria-hidden="true" />
      {ageing(state, words.value.board)}
    </p>
  );
}
