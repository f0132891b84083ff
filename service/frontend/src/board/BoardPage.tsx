import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { live } from "../app/station";
import { clockTime, words } from "../i18n";
import { InProgress, Others, Waiting } from "./Calls";
import { Listeners } from "./Listeners";
import { lists } from "./rows";

/** The service's clock, milliseconds: waiting must not depend on this machine's clock. */
const now = signal(Date.now());
/** Seconds since the last word from the service. */
const age = signal(0);

/** Below this the data counts as fresh: the service says something every two seconds. */
const FRESH_S = 4;

export function BoardPage() {
  useEffect(() => {
    const look = (): void => {
      now.value = lastKnown(Date.now() + live.clockOffset.peek());
      age.value = Math.max(0, Math.round((performance.now() - live.lastHeard.peek()) / 1000));
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
function lastKnown(clock: number): number {
  const heard = clock - (performance.now() - live.lastHeard.peek());
  const lost = live.lines.peek().find((line) => line.state !== "up" && line.as_of !== null);
  const asOf = lost?.as_of ? Date.parse(lost.as_of) : Number.POSITIVE_INFINITY;
  return Math.min(live.connected.peek() ? clock : heard, asOf);
}

function Age() {
  const w = words.value.board;
  const lost = live.lines.value.find((line) => line.state !== "up");
  const asOf = lost === undefined ? null : clockTime(lost.as_of);
  const sentence = !live.known.value
    ? w.noData
    : asOf !== null
      ? w.asOf(asOf)
      : age.value < FRESH_S
        ? w.fresh
        : w.age(age.value);
  return (
    <p
      class={`badge ${trusted() ? "line-up" : "line-lost"}`}
      data-testid="board-age"
      data-seconds={live.known.value ? age.value : ""}
    >
      <span class="badge-mark" aria-hidden="true" />
      {sentence}
    </p>
  );
}
