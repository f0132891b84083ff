/** A soft ring of two notes, made here: nothing to load. Silent until the person has touched the page once. */

import { type Signal, signal } from "@preact/signals";

const NOTES_HZ = [523.25, 659.25] as const;
const NOTE_S = 0.55;
const EVERY_MS = 3_200;
const LOUDNESS = 0.16;
/** Browsers never say that a page may not sound: it just does not begin to. */
const BEGINS_WITHIN_MS = 500;

export class RingTone {
  /** Whether the browser lets this page sound; null: not known before it was tried. */
  readonly audible: Signal<boolean | null> = signal(null);

  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Call from a click or a key: browsers let a page sound only after one. */
  async unlock(): Promise<void> {
    const context = this.#open();
    if (context.state !== "running") await context.resume();
  }

  /** Finds out whether the browser lets this page sound by itself: it may, after the clicks of an earlier page. */
  tryOut(): void {
    this.#open();
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#open();
    this.chime();
    this.#timer = setInterval(() => this.chime(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #open(): AudioContext {
    if (this.#context !== null) return this.#context;
    const context = new AudioContext();
    this.#context = context;
    const look = (): void => {
      this.audible.value = context.state === "running";
    };
    context.addEventListener("statechange", look);
    setTimeout(look, BEGINS_WITHIN_MS);
    return context;
  }

  chime(): void {
    const context = this.#context;
    if (context === null || context.state !== "running") return;
    NOTES_HZ.forEach((hertz, index) => {
      const from = context.currentTime + index * NOTE_S * 0.7;
      const oscillator = new OscillatorNode(context, { type: "sine", frequency: hertz });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(LOUDNESS, from + 0.06);
      gain.gain.exponentialRampToValueAtTime(0.0001, from + NOTE_S);
      oscillator.connect(gain).connect(context.destination);
      oscillator.start(from);
      oscillator.stop(from + NOTE_S);
    });
  }
}
