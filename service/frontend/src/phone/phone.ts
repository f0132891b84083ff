/**
 * The browser phone: JsSIP straight to the PBX's WebSocket, never through the service, so that a stopped service takes
 * no call along. It never says BYE by itself when the page goes away: the PBX then keeps the caller.
 */

import { type Signal, signal } from "@preact/signals";
import { UA, WebSocketInterface } from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { RTCSessionEvent } from "jssip/lib/UA";
import { ApiError } from "../api/http";
import type { PhoneAccount } from "../api/types";
import { backoff } from "../live/backoff";
import { MediaGuard, type MediaHealth } from "./guard";
import { callIdFrom, readyAddress } from "./identity";
import { audioConstraints, type MicrophoneTrouble, rawAudio, troubleOf } from "./microphone";
import { holdPhone } from "./tab";

/**
 * `other-tab`: this person's phone is open in another tab of this browser. `elsewhere`: it was taken in another browser.
 * `refused`: the PBX refuses the password.
 */
export type Registration = "off" | "other-tab" | "elsewhere" | "connecting" | "registered" | "lost" | "refused";

export type CallStage = "ringing" | "answering" | "live";

export interface PhoneCall {
  /** Null when the PBX did not name the call: it can be answered all the same. */
  readonly callId: string | null;
  readonly stage: CallStage;
  readonly muted: boolean;
  readonly held: boolean;
  readonly media: MediaHealth;
}

/** How the last call on this phone ended. `lost`: its media or signalling died; the PBX keeps the caller. */
export type HowEnded = "listener" | "other-side" | "lost";

export interface EndedCall {
  readonly callId: string | null;
  readonly how: HowEnded;
  readonly answered: boolean;
}

/** Q.850 cause 31 is what the dialplan takes for "the listener ended it on purpose". */
const DELIBERATE = 'Reason: Q.850;cause=31;text="listener ended"';
const SDP_AFTER_CANDIDATE_MS = 20;
const READY_DEADLINE_MS = 8_000;
const READY_LINGER_MS = 500;
const MEDIA = { iceServers: [], rtcpMuxPolicy: "require" } as const satisfies RTCConfiguration;

export class Phone {
  readonly registration: Signal<Registration> = signal("off");
  readonly call: Signal<PhoneCall | null> = signal(null);
  readonly lastEnded: Signal<EndedCall | null> = signal(null);
  readonly microphone: Signal<MicrophoneTrouble | null> = signal(null);

  #ua: UA | null = null;
  #account: PhoneAccount | null = null;
  #session: RTCSession | null = null;
  #guard: MediaGuard | null = null;
  #deliberate = false;
  #known = false;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #release: () => void = () => {};
  #running = false;

  constructor(
    private readonly fetchAccount: () => Promise<PhoneAccount>,
    private readonly audio: () => HTMLAudioElement | null,
  ) {}

  async start(accountId: number): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const until = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.registration.value = "connecting";
    await holdPhone(accountId, () => this.#register("other-tab"), until);
    if (this.#running) await this.#connect();
  }

  /** For signing out only, without a call: gives the registration back. */
  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#close();
    this.#release();
    this.registration.value = "off";
  }

  /** After a new sign-in: the password changed, the call that may be live did not. */
  async renew(): Promise<void> {
    this.#attempt = 0;
    if (this.#running && !["other-tab", "elsewhere"].includes(this.registration.value)) await this.#connect();
  }

  /**
   * Which session of this person has the phone, as the service tells every page of theirs; null: not known. Phones do
   * not go back and forth by themselves: who took it last has it, until somebody says otherwise. A call here goes on.
   */
  heldBy(session: number | null): void {
    const own = this.#account?.session;
    if (!this.#running || own === undefined || session === null || this.registration.peek() === "other-tab") return;
    if (session === own) {
      if (this.registration.peek() === "elsewhere") void this.takeHere();
      return;
    }
    this.registration.value = "elsewhere";
    clearTimeout(this.#timer);
    if (this.call.peek() === null) this.#close();
  }

  /** The person sits here. */
  async takeHere(): Promise<void> {
    this.registration.value = "connecting";
    this.#attempt = 0;
    await this.#connect();
  }

  answer(): void {
    const session = this.#session;
    if (session === null || this.call.value?.stage !== "ringing") return;
    this.microphone.value = null;
    this.#change({ stage: "answering" });
    session.answer({
      mediaConstraints: { audio: audioConstraints(rawAudio()), video: false },
      pcConfig: { ...MEDIA },
    });
  }

  mute(muted: boolean): void {
    if (muted) this.#session?.mute({ audio: true });
    else this.#session?.unmute({ audio: true });
  }

  hold(held: boolean): void {
    if (held) this.#session?.hold();
    else this.#session?.unhold();
  }

  /** The listener ends the conversation. False when this phone cannot say so: ask the service instead. */
  end(): boolean {
    const session = this.#session;
    if (session === null || session.isEnded() || !session.isEstablished() || !this.#ua?.isConnected()) return false;
    this.#deliberate = true;
    session.terminate({ extraHeaders: [DELIBERATE] });
    return true;
  }

  /** Ends the writing-up without the service. True once the PBX answered. */
  dialReady(): Promise<boolean> {
    const ua = this.#ua;
    const account = this.#account;
    if (ua === null || account === null || !ua.isRegistered()) return Promise.resolve(false);
    const context = new AudioContext();
    const silence = context.createMediaStreamDestination().stream;
    return new Promise<boolean>((resolve) => {
      const session = ua.call(readyAddress(account.sip_uri), { mediaStream: silence, pcConfig: { ...MEDIA } });
      const deadline = setTimeout(() => session.terminate(), READY_DEADLINE_MS);
      const settle = (done: boolean): void => {
        clearTimeout(deadline);
        void context.close();
        resolve(done);
      };
      sendEarly(session);
      session.on("accepted", () => {
        settle(true);
        // The PBX did it on answering; a phone that goes on listening to its thanks would be busy for the next caller.
        setTimeout(() => {
          if (!session.isEnded()) session.terminate();
        }, READY_LINGER_MS);
      });
      session.on("failed", () => settle(false));
    });
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timer);
    let account: PhoneAccount;
    try {
      account = await this.fetchAccount();
    } catch (error) {
      // Signing in again comes back here. With the service away, a phone that has its password goes on without it.
      if (error instanceof ApiError && error.status === 401) return;
      if (this.#ua?.isConnected() && !this.#ua.isRegistered()) this.#ua.register();
      this.#retry();
      return;
    }
    if (!this.#running) return;
    this.#account = account;
    if (this.#ua === null) this.#ua = this.#open(account);
    else {
      this.#ua.set("password", account.password);
      this.#ua.register();
    }
  }

  #retry(): void {
    clearTimeout(this.#timer);
    // Asking for it would take it back.
    if (this.registration.value === "elsewhere") return;
    this.#timer = setTimeout(() => void this.#connect(), backoff(this.#attempt));
    this.#attempt += 1;
  }

  #open(account: PhoneAccount): UA {
    const ua = new UA({
      sockets: [new WebSocketInterface(account.websocket_url)],
      uri: account.sip_uri,
      password: account.password,
      register: true,
      register_expires: 120,
      // A refresh over a dead WebSocket would end the conversation.
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 4,
      user_agent: "Ecoute",
    });
    ua.on("connecting", () => this.#register(this.#known ? "lost" : "connecting"));
    ua.on("disconnected", () => this.#disconnected());
    ua.on("registered", () => this.#registered());
    ua.on("unregistered", () => this.#register("lost"));
    ua.on("registrationFailed", (event) =>
      this.#registrationFailed(event.response !== undefined && event.response !== null),
    );
    ua.on("newRTCSession", (event: RTCSessionEvent) => {
      if (isRemote(event.originator)) this.#incoming(event.session, event.request.from.uri.user);
    });
    ua.start();
    return ua;
  }

  /** What its own line says of a phone that was taken elsewhere is no news. */
  #register(registration: Registration): void {
    if (this.#running && this.registration.value !== "elsewhere") this.registration.value = registration;
  }

  #close(): void {
    this.#ua?.stop();
    this.#ua = null;
  }

  #disconnected(): void {
    this.#register("lost");
    // The PBX can no longer withdraw this ring, nor hear an answer: it offers the caller again.
    if (this.call.value?.stage === "ringing") this.#drop("lost");
  }

  #registered(): void {
    clearTimeout(this.#timer);
    this.#attempt = 0;
    this.#known = true;
    this.#register("registered");
    // A PBX that restarted does not know the call any more and says so; one that lives on confirms it.
    const session = this.#session;
    if (session?.isEstablished() && !session.isEnded()) session.renegotiate();
  }

  #registrationFailed(answered: boolean): void {
    this.#register(answered ? "refused" : "lost");
    // Without a socket JsSIP itself tries again, as soon as it has one.
    if (answered || this.#ua?.isConnected()) this.#retry();
  }

  #incoming(session: RTCSession, user: string | undefined): void {
    if (this.#session !== null && !this.#session.isEnded()) {
      if (this.call.value?.stage !== "ringing") {
        session.terminate({ status_code: 486 });
        return;
      }
      // Phones are rung for one caller at a time: the earlier ring is a leftover of a lost connection.
      this.#drop("lost");
    }
    this.#attach(session, callIdFrom(user));
  }

  #attach(session: RTCSession, callId: string | null): void {
    this.lastEnded.value = null;
    const guard = new MediaGuard(
      () => {
        if (!session.isEnded()) session.terminate();
      },
      (media) => this.#change({ media }),
    );
    this.#session = session;
    this.#guard = guard;
    this.call.value = { callId, stage: "ringing", muted: false, held: false, media: "good" };
    const mine = (act: () => void) => () => {
      if (this.#session === session) act();
    };
    sendEarly(session);
    session.on("peerconnection", ({ peerconnection }) => this.#listenTo(peerconnection, guard));
    session.on(
      "accepted",
      mine(() => this.#change({ stage: "live" })),
    );
    session.on(
      "muted",
      mine(() => this.#change({ muted: true })),
    );
    session.on(
      "unmuted",
      mine(() => this.#change({ muted: false })),
    );
    session.on("hold", ({ originator }) => {
      if (!isRemote(originator) && this.#session === session) this.#change({ held: true });
    });
    session.on("unhold", ({ originator }) => {
      if (!isRemote(originator) && this.#session === session) this.#change({ held: false });
    });
    session.on("getusermediafailed", (error: unknown) => {
      this.microphone.value = troubleOf(error);
    });
    session.on("ended", ({ originator }) => {
      if (this.#session === session) this.#forget(isRemote(originator) ? "other-side" : "lost", true);
    });
    session.on("failed", ({ originator }) => {
      if (this.#session === session) this.#forget(isRemote(originator) ? "other-side" : "lost", false);
    });
  }

  #listenTo(connection: RTCPeerConnection, guard: MediaGuard): void {
    connection.addEventListener("connectionstatechange", () => guard.see(connection.connectionState));
    connection.addEventListener("track", ({ track, streams }) => {
      const audio = this.audio();
      if (audio === null) return;
      audio.srcObject = streams[0] ?? new MediaStream([track]);
      void audio.play().catch(() => {});
    });
  }

  #change(part: Partial<PhoneCall>): void {
    const call = this.call.value;
    if (call !== null) this.call.value = { ...call, ...part };
  }

  #drop(how: HowEnded): void {
    const session = this.#session;
    this.#forget(how, false);
    if (session !== null && !session.isEnded()) session.terminate({ status_code: 480 });
  }

  #forget(how: HowEnded, answered: boolean): void {
    const callId = this.call.value?.callId ?? null;
    this.lastEnded.value = { callId, how: this.#deliberate ? "listener" : how, answered };
    this.#deliberate = false;
    this.#guard?.stop();
    this.#guard = null;
    this.#session = null;
    this.call.value = null;
    const audio = this.audio();
    if (audio !== null) audio.srcObject = null;
    if (this.registration.value === "elsewhere") this.#close();
  }
}

/** Candidates of this machine come within milliseconds; waiting for all of them makes answering three times slower. */
function sendEarly(session: RTCSession): void {
  let armed = false;
  session.on("icecandidate", ({ ready }) => {
    if (armed) return;
    armed = true;
    setTimeout(ready, SDP_AFTER_CANDIDATE_MS);
  });
}

function isRemote(originator: unknown): boolean {
  return originator === "remote";
}
