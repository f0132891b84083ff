/** Writing-up time, ended by the listener alone. */

import { me } from "../app/session";
import { live, notebook } from "../app/station";
import { words } from "../i18n";
import { Icon } from "../shell/Icon";
import { busy, endWrapUp } from "./actions";
import { Failure, LeaveButton } from "./IdlePanel";
import { callNow } from "./mode";
import { PauseChoices } from "./PauseChoices";

/** Writing-up time: ended by the listener, nobody and nothing else. */
export function WrapUpPanel() {
  const w = words.value.wrapUp;
  const callId = callNow.value;
  const pending = live.me.value?.ending_wrapup === true && live.connected.value;
  const draft = callId === null ? null : notebook.of(callId);
  return (
    <section class="card stage-card wrap-up" aria-labelledby="wrap-up-title">
      <h2 id="wrap-up-title" class="display">
        {w.title}
      </h2>
      <p class="lead">{w.text}</p>
      {draft?.state.value === "waiting" && <p class="hint">{w.unsaved}</p>}
      <div class="actions">
        <button
          type="button"
          class="button primary large"
          data-testid="end-wrapup"
          disabled={busy.value !== null || pending}
          onClick={() => void endWrapUp()}
        >
          <Icon name="check" />
          {pending || busy.value === "end-wrapup" ? w.ending : w.end}
        </button>
        {live.me.value?.state !== "absent" && !me.value?.ended && !me.value?.must_enrol && (
          <>
            <PauseChoices />
            <LeaveButton />
          </>
        )}
      </div>
      <Failure />
    </section>
  );
}
