/**
 * How what was typed is sealed before it lies in the browser. Two halves make the key: one that is kept in this
 * browser and that no script can read out, and one that the service gives to whoever signed in, which is kept nowhere
 * here. So neither another account at this browser nor whoever takes its files away can open anything.
 */

export interface Sealed {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly text: ArrayBuffer;
}

const HALF_BYTES = 32;
/** As AES-GCM wants it: 96 bits, new at random for each writing. */
const NONCE_BYTES = 12;
const encoder = new TextEncoder();

/** This browser's half; can be kept in IndexedDB, and cannot be exported. */
export function newHalf(): Promise<CryptoKey> {
  const random = crypto.getRandomValues(new Uint8Array(HALF_BYTES));
  return crypto.subtle.importKey("raw", random, "HKDF", false, ["deriveKey"]);
}

/** Both halves together, for one account. `secret`: the service's half, base64. Lives in memory alone. */
export function sealingKey(half: CryptoKey, secret: string, account: number): Promise<CryptoKey> {
  const salt = Uint8Array.from(atob(secret), (letter) => letter.charCodeAt(0));
  const info = encoder.encode(`ecoute drafts of account ${account}`);
  const derivation = { name: "HKDF", hash: "SHA-256", salt, info };
  return crypto.subtle.deriveKey(derivation, half, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** `context`: whose and of which call; the text opens nowhere else. */
export async function seal(key: CryptoKey, value: unknown, context: string): Promise<Sealed> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const clear = encoder.encode(JSON.stringify(value));
  return { nonce, text: await crypto.subtle.encrypt(algorithm(nonce, context), key, clear) };
}

/** Null when the key or the context are not those it was sealed with. */
export async function open(key: CryptoKey, sealed: Sealed, context: string): Promise<unknown> {
  try {
    const clear = await crypto.subtle.decrypt(algorithm(sealed.nonce, context), key, sealed.text);
    return JSON.parse(new TextDecoder().decode(clear));
  } catch {
    return null;
  }
}

function algorithm(nonce: Uint8Array<ArrayBuffer>, context: string): AesGcmParams {
  return { name: "AES-GCM", iv: nonce, additionalData: encoder.encode(context) };
}
