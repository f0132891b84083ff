/** The board of those who watch the line: alarms and figures first, then who waits, who talks, who listens. */

import { useEffect } from "preact/hooks";
import { live } from "../app/station";
import { words } from "../i18n";
import { Alarms } from "./Alarms";
import { ageing } from "./age";
import { InProgress, Others, Waiting } from "./Calls";
import { age, ageNow, look, now, trusted } from "./freshness";
import { Listeners } from "./Listeners";
import { lists } from "./rows";

export function BoardPage() {
  useEffect(() => {
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
      <Alarms />
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

function Age() {
  return (
    <p
      class={`badge ${trusted() ? "line-up" : "line-lost"}`}
      data-testid="board-age"
      data-seconds={live.known.value ? age.value : ""}
    >
      <span class="badge-mark" aria-hidden="true" />
      {ageing(ageNow(), words.value.board)}
    </p>
  );
}
