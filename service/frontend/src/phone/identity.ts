/** Which call is it: the PBX puts the call's UUID where a telephone puts the caller's number. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The call's id from the user part of the From header; null when the PBX sent something else (still a caller). */
export function callIdFrom(user: string | null | undefined): string | null {
  const id = (user ?? "").toLowerCase();
  return UUID.test(id) ? id : null;
}

/** `sip:ready@host` beside `sip:l12@host`: what a phone dials to be free again without the service. */
export function readyAddress(ownAddress: string): string {
  const host = ownAddress.split("@")[1] ?? "localhost";
  return `sip:ready@${host}`;
}
