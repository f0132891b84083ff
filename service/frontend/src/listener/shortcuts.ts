/** Alt + Shift + a letter that lies at the same place on French and English keyboards. */

import { useEffect } from "preact/hooks";
import { phone } from "../app/station";

export type ShortcutName = "answer" | "mute" | "hold" | "notes" | "end";

export const KEYS: readonly { name: ShortcutName; letter: string }[] = [
  { name: "answer", letter: "R" },
  { name: "mute", letter: "S" },
  { name: "hold", letter: "G" },
  { name: "notes", letter: "N" },
  { name: "end", letter: "T" },
];

export const ARIA_KEYS: Readonly<Record<ShortcutName, string>> = {
  answer: "Alt+Shift+R",
  mute: "Alt+Shift+S",
  hold: "Alt+Shift+G",
  notes: "Alt+Shift+N",
  end: "Alt+Shift+T",
};

const ACTIONS: Readonly<Record<ShortcutName, () => void>> = {
  answer: () => phone.answer(),
  mute: () => {
    const call = phone.call.peek();
    if (call?.stage === "live") phone.mute(!call.muted);
  },
  hold: () => {
    const call = phone.call.peek();
    if (call?.stage === "live") phone.hold(!call.held);
  },
  notes: () => focus("notes"),
  // Goes to the button only: ending a conversation stays a deliberate act.
  end: () => focus("end"),
};

function focus(id: string): void {
  document.getElementById(id)?.focus();
}

export function shortcutOf(
  event: Pick<KeyboardEvent, "altKey" | "shiftKey" | "ctrlKey" | "metaKey" | "code">,
): ShortcutName | null {
  if (!event.altKey || !event.shiftKey || event.ctrlKey || event.metaKey) return null;
  return KEYS.find(({ letter }) => event.code === `Key${letter}`)?.name ?? null;
}

export function useShortcuts(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const name = shortcutOf(event);
      if (name === null || event.repeat) return;
      event.preventDefault();
      ACTIONS[name]();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
