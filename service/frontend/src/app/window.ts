/** What the browser's own window shows and asks: title, icon, ring, a word before leaving. */

import { computed, effect } from "@preact/signals";
import { words } from "../i18n";
import { stranger } from "./session";
import { notebook, phone, ring, vault } from "./station";

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
    // What is sealed in this browser waits for its owner there.
    if (stranger.peek() && vault.where.peek() === "browser" && phone.call.peek() === null) return;
    // Leaving never says goodbye to the caller: the PBX keeps them. But say what would be lost.
    if (notebook.unsaved.peek().length > 0 || phone.call.peek() !== null) event.preventDefault();
  });
}
