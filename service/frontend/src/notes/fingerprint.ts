/**
 * Tells the same text from another one in a few letters, without keeping it. Two halves of 32 bits that are mixed
 * differently (multiplications as in MurmurHash3), and the length: for recognising one's own texts, not for secrets.
 * Not SHA-256 of the browser: that one is missing without https, and answers later.
 */
export function fingerprint(text: string): string {
  let one = 0xdeadbeef;
  let two = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    one = Math.imul(one ^ unit, 2654435761);
    two = Math.imul(two ^ unit, 1597334677);
  }
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(two ^ (two >>> 13), 3266489909);
  two = Math.imul(two ^ (two >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return [text.length, one >>> 0, two >>> 0].map((part) => part.toString(36)).join("-");
}

const FINGERPRINT = /^[0-9a-z]+(-[0-9a-z]{1,7}){2}$/;

/** Drafts that an older page left in a browser have the texts themselves in this place. */
export function asFingerprint(sent: string): string {
  return FINGERPRINT.test(sent) ? sent : fingerprint(sent);
}
