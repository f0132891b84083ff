/** What the browser's own window shows and asks: title, icon, ring, a word before leaving. */

import { computed, effect } from "@preact/signals";
import { words } from "../i18n";
import { ringsHere } from "../listener/mode";
import { me, stranger } from "./session";
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
  effect(() => {
    if (ringsHere.value) ring.tryOut();
  });
  const unlock = (): void => void ring.unlock();
  // Not once: a finger that only scrolls is not enough for every browser. A mouse counts as it goes down, a finger as it
  // is lifted, and what is pressed by other means (a screen reader's) is a click alone.
  for (const touch of ["pointerdown", "pointerup", "click", "keydown"]) window.addEventListener(touch, unlock);
  window.addEventListener("beforeunload", (event) => {
    // What is sealed in this browser waits for its owner there, who is not here any more.
    const isGone = stranger.peek() || me.peek() === null;
    if (isGone && vault.where.peek() === "browser" && phone.call.peek() === null) return;
    // Leaving never says goodbye to the caller: the PBX keeps them. But say what would be lost.
    if (notebook.unsaved.peek().length > 0 || phone.call.peek() !== null) event.preventDefault();
  });
}
