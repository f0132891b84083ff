/** Live regions: what changes is said, once, to whoever does not see it. */

import { effect, signal } from "@preact/signals";
import { me } from "../app/session";
import { phone } from "../app/station";
import { words } from "../i18n";
import { modeNow } from "../listener/mode";

const polite = signal("");
const urgent = signal("");

export function say(sentence: string): void {
  polite.value = sentence;
}

effect(() => {
  const mode = modeNow.value;
  if (!me.value?.listener) return;
  urgent.value = mode === "ringing" ? words.value.announce.ringing : "";
  if (mode !== "ringing") polite.value = words.value.announce.state(stateWord(mode));
});

effect(() => {
  const registration = phone.registration.value;
  if (registration === "lost" || registration === "refused" || registration === "registered")
    polite.value = words.value.announce.phone(words.value.phone[registration]);
});

function stateWord(mode: typeof modeNow.value): string {
  return mode === "elsewhere" ? words.peek().state.talking : words.peek().state[mode];
}

export function Announcer() {
  return (
    <div class="unseen">
      <div role="status" aria-live="polite">
        {polite.value}
      </div>
      <div role="alert" aria-live="assertive">
        {urgent.value}
      </div>
    </div>
  );
}
