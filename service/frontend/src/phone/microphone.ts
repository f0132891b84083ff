/** The microphone: asked for when a listener joins the queue, not when the first caller already waits. */

export type MicrophoneTrouble = "refused" | "missing" | "busy" | "insecure";
export type MicrophonePermission = "granted" | "denied" | "prompt" | "unknown";

const RAW_KEY = "ecoute.raw-audio";

/** "Audio brut", the listener's choice for this session: a good headset or a hearing aid may sound better without. */
export function rawAudio(): boolean {
  return sessionStorage.getItem(RAW_KEY) === "1";
}

export function chooseRawAudio(raw: boolean): void {
  if (raw) sessionStorage.setItem(RAW_KEY, "1");
  else sessionStorage.removeItem(RAW_KEY);
}

export function audioConstraints(raw: boolean): MediaTrackConstraints {
  return { echoCancellation: !raw, noiseSuppression: !raw, autoGainControl: !raw };
}

export async function microphonePermission(): Promise<MicrophonePermission> {
  try {
    const status = await navigator.permissions.query({ name: "microphone" as PermissionName });
    return status.state;
  } catch {
    return "unknown";
  }
}

/** Asks for the microphone and lets it go at once: it is open only during a call. Null when all is well. */
export async function tryMicrophone(): Promise<MicrophoneTrouble | null> {
  if (!window.isSecureContext || navigator.mediaDevices === undefined) return "insecure";
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: audioConstraints(rawAudio()), video: false });
    for (const track of stream.getTracks()) track.stop();
    return null;
  } catch (error) {
    return troubleOf(error);
  }
}

export function troubleOf(error: unknown): MicrophoneTrouble {
  const name = error instanceof Error ? error.name : String(error);
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "refused";
}
