/** What the browser's own window shows and asks: title, icon, ring, a word before leaving. */

import { computed, effect } from "@preact/signals";
import { words } from "../i18n";
import { ringsHere } from "../listener/mode";
import { me, stranger } from "./session";
import { notebook, phone, ring, vault } from "./station";

const ringing = computed(() => phone.call.value?.stage === "ringing");

/** Once who calls is on the page, which takes less than this does. Not by a timer: in a page behind others they wait. */
function afterwards(act: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    act();
  };
  port2.postMessage(null);
}

export function watchWindow(): void {
  effect(() => {
    const { call, app } = words.value;
    const title = ringing.value ? `● ${call.ringing} · ${app.name}` : app.name;
    const image = ringing.value ? "/favicon-ringing.svg" : "/favicon.svg";
    afterwards(() => {
      document.title = title;
      document.querySelector<HTMLLinkElement>('link[rel="icon"]')?.setAttribute("href", image);
    });
  });
  effect(() => {
    ringing.value;
    afterwards(() => {
      if (ringing.peek()) ring.start();
      else ring.stop();
    });
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
