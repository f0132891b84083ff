/** Where one is signed in, with an end for each but this. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { endOtherSessions, endSession, ownSessions } from "../api/service";
import type { OwnSession } from "../api/types";
import { dayAndTime, words } from "../i18n";
import { trouble } from "./trouble";

/** Where one is signed in, with an end for each but this. */
export function SessionsPanel() {
  const w = words.value.account;
  const shown = useSignal<readonly OwnSession[] | null>(null);
  const failure = useSignal("");

  async function look(): Promise<void> {
    shown.value = (await ownSessions()).sessions;
  }
  async function act(change: () => Promise<unknown>): Promise<void> {
    failure.value = "";
    try {
      await change();
      await look();
    } catch (error) {
      failure.value = trouble(error, words.value.account);
    }
  }
  useEffect(() => {
    void act(async () => undefined);
  }, []);

  const sessions = shown.value;
  return (
    <section class="card" aria-labelledby="sessions-title">
      <h2 id="sessions-title">{w.sessionsTitle}</h2>
      <p class="quiet">{w.sessionsHelp}</p>
      <ul class="sessions" data-testid="sessions">
        {sessions?.map((session) => (
          <li key={session.session_id} data-here={session.here}>
            <div>
              <strong>{session.here ? w.here : w.elsewhere}</strong>
              {session.phone && <span class="quiet"> – {w.withPhone}</span>}
              <div class="quiet">{w.since(dayAndTime(session.made_at), dayAndTime(session.used_at))}</div>
            </div>
            {!session.here && (
              <button type="button" class="button small" onClick={() => void act(() => endSession(session.session_id))}>
                {w.end}
              </button>
            )}
          </li>
        ))}
      </ul>
      <p class="form-error" role="alert">
        {failure.value}
      </p>
      {sessions !== null && sessions.length > 1 && (
        <button
          type="button"
          class="button"
          data-testid="end-others"
          onClick={() => void act(() => endOtherSessions())}
        >
          {w.endOthers}
        </button>
      )}
    </section>
  );
}
