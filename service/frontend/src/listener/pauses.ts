/** The names of the pauses. */

import { me } from "../app/session";
import { live } from "../app/station";
import { locale } from "../i18n";

export interface PauseChoice {
  readonly key: string;
  readonly label: string;
}

export function usePauseChoices(): PauseChoice[] {
  const reasons = me.value?.pause_reasons ?? [];
  return reasons.map((reason) => ({
    key: reason.key,
    label: locale.value === "fr" ? reason.label_fr : reason.label_en,
  }));
}

/** The label of the pause that runs; null without one (wrap-up and reconnecting are no pauses of a person's choice). */
export function usePauseLabel(): string | null {
  const state = live.me.value;
  const choices = usePauseChoices();
  if (state?.state !== "paused") return null;
  return choices.find((choice) => choice.key === state.pause_reason)?.label ?? null;
}
