/**
 * One telephone per person: two tabs that register the same phone would throw each other out. The lock belongs to the
 * browser, so a crashed or reloaded tab gives it back by itself.
 */

/** Resolves once this tab may hold the phone; `onWait` is called first if another tab has it. */
export async function holdPhone(accountId: number, onWait: () => void, until: Promise<void>): Promise<void> {
  if (navigator.locks === undefined) return;
  const name = `ecoute.phone.${accountId}`;
  const free = await new Promise<boolean>((resolve) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : until;
    });
  });
  if (free) return;
  onWait();
  await new Promise<void>((resolve) => {
    void navigator.locks.request(name, () => {
      resolve();
      return until;
    });
  });
}
