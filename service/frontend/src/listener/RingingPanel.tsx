/** A call that rings, with a button to take it. */

import { live, phone } from "../app/station";
import { words } from "../i18n";
import { Icon } from "../shell/Icon";
import { ARIA_KEYS } from "./shortcuts";
import { WhoSummary } from "./WhoPanel";

/** The phone rings. Answering works whatever the service does. */
export function RingingPanel() {
  const w = words.value.call;
  const call = phone.call.value;
  const offer = live.offer.value;
  const returning = offer?.returning === true;
  const callId = call?.callId ?? offer?.call_id ?? null;
  return (
    <section
      class="card stage-card ringing"
      data-testid="ringing"
      data-call-id={callId ?? ""}
      aria-labelledby="ringing-title"
    >
      <div class="ringing-head">
        <span class="ringing-mark">
          <Icon name="bell" />
        </span>
        <h2 id="ringing-title" class="display">
          {returning ? w.returning : w.ringing}
        </h2>
      </div>
      {callId !== null && <WhoSummary callId={callId} />}
      {call !== null ? (
        <button
          type="button"
          class="button primary huge"
          data-testid="answer"
          aria-keyshortcuts={ARIA_KEYS.answer}
          onClick={() => phone.answer()}
        >
          <Icon name="answer" />
          {returning ? w.takeBack : w.answer}
        </button>
      ) : (
        <p class="lead">{w.pickUp}</p>
      )}
      {!live.connected.value && <p class="hint">{w.withoutService}</p>}
    </section>
  );
}
