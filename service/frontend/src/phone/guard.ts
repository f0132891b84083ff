/**
 * JsSIP keeps a call "established" for ever when its media died, and then refuses later callers as busy. So the page
 * itself lets go of a call whose media is gone: the PBX keeps the caller and brings them back. That is no "end" by the
 * listener: no Reason header goes with it.
 */

/** A short loss of network heals by itself; after this it does not. */
export const DISCONNECTED_MS = 3_000;

export type MediaHealth = "good" | "shaky";

export class MediaGuard {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #done = false;

  constructor(
    private readonly letGo: () => void,
    private readonly onHealth: (health: MediaHealth) => void = () => {},
  ) {}

  /** The RTCPeerConnection's connectionState, each time it changes. */
  see(state: RTCPeerConnectionState): void {
    clearTimeout(this.#timer);
    if (this.#done) return;
    if (state === "failed") this.#end();
    else if (state === "disconnected") {
      this.onHealth("shaky");
      this.#timer = setTimeout(() => this.#end(), DISCONNECTED_MS);
    } else if (state === "connected") this.onHealth("good");
  }

  /** The call is over: nothing left to guard. */
  stop(): void {
    this.#done = true;
    clearTimeout(this.#timer);
  }

  #end(): void {
    this.#done = true;
    this.letGo();
  }
}
