/** A soft ring of two notes, made here: nothing to load. Silent until the person has touched the page once. */

const NOTES_HZ = [523.25, 659.25] as const;
const NOTE_S = 0.55;
const EVERY_MS = 3_200;
const LOUDNESS = 0.16;

export class RingTone {
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Call from a click or a key: browsers let a page sound only after one. */
  unlock(): void {
    this.#context ??= new AudioContext();
    void this.#context.resume();
  }

  get audible(): boolean {
    return this.#context?.state === "running";
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#context ??= new AudioContext();
    this.chime();
    this.#timer = setInterval(() => this.chime(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
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
