/** What happened to one's account lately, in plain sentences: so that its owner sees what was not them. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ownEvents } from "../api/service";
import type { OwnEvents } from "../api/types";
import { dayAndTime, words } from "../i18n";
import { trouble } from "./trouble";

/** Where who did it says something that the sentence does not. */
const TELLS_WHO: readonly string[] = ["sessions.ended", "second-step.removed"];

/** What happened to one's account lately. */
export function EventsPanel() {
  const w = words.value.account;
  const shown = useSignal<OwnEvents | null>(null);
  const failure = useSignal("");
  useEffect(() => {
    ownEvents()
      .then((found) => {
        shown.value = found;
      })
      .catch((error: unknown) => {
        failure.value = trouble(error, words.value.account);
      });
  }, []);

  const found = shown.value;
  return (
    <section class="card" aria-labelledby="events-title">
      <h2 id="events-title">{w.eventsTitle}</h2>
      <p class="quiet">{w.eventsHelp}</p>
      {found !== null && found.refused > 0 && (
        <p role="status" data-testid="refused-sign-ins" data-count={found.refused}>
          <strong>{w.refusedCount(found.refused)}</strong>
        </p>
      )}
      {found?.events.length === 0 && <p class="quiet">{w.noEvents}</p>}
      <ul class="sessions" data-testid="events">
        {found?.events.map((event) => (
          <li key={`${event.at} ${event.what}`} data-what={event.what}>
            <div>
              {w.events[event.what]}
              {TELLS_WHO.includes(event.what) && <span class="quiet"> ({event.by_me ? w.byMe : w.byService})</span>}
              <div class="quiet">{dayAndTime(event.at)}</div>
            </div>
          </li>
        ))}
      </ul>
      <p class="form-error" role="alert">
        {failure.value}
      </p>
    </section>
  );
}
