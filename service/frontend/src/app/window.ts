/** What the browser's own window shows and asks: title, icon, ring, a word before leaving. */

import { computed, effect } from "@preact/signals";
import { words } from "../i18n";
import { notebook, phone, ring } from "./station";

const ringing = computed(() => phone.call.value?.stage === "ringing");

export function watchWindow(): void {
  effect(() => {
    document.title = ringing.value ? `● ${words.value.call.ringing} · ${words.value.app.name}` : words.value.app.name;
    const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    icon?.setAttribute("href", ringing.value ? "/favicon-ringing.svg" : "/favicon.svg");
  });
  effect(() => {
    if (ringing.value) ring.start();
    else ring.stop();
  });
  const unlock = (): void => ring.unlock();
  window.addEventListener("pointerdown", unlock, { once: true });
  window.addEventListener("keydown", unlock, { once: true });
  window.addEventListener("beforeunload", (event) => {
    // Leaving never says goodbye to the caller: the PBX keeps them. But say what would be lost.
    if (notebook.unsaved.peek().length > 0 || phone.call.peek() !== null) event.preventDefault();
  });
}
