/** Times of a simulated world, in milliseconds of its own clock. */

/** Requests come and faults strike in this part; then nothing new does, and what is broken is mended. */
export const ACTIVE_MS = 6000;
/** From when on everything is well. */
export const MENDED_MS = 8000;

export const HEARTBEAT_MS = 500;
export const LEASE_MS = 2000;
export const SWEEP_MS = 250;
export const DRAIN_MS = 600;
export const CONNECT_MS = 300;
export const ATTEMPT_MS = 150;
export const INQUIRE_MS = 300;

/** For the whole of one request, at most. */
export const REQUEST_MS_MAX = 3000;
/** What an engine or router gives one call. */
export const CALL_MS = 800;

/** After its deadline, and after everything is mended, a request may take this long until its end is known. */
export const GRACE_MS = 3 * HEARTBEAT_MS + DRAIN_MS + CONNECT_MS + 4 * ATTEMPT_MS + LEASE_MS;
/** From when on nothing may be left of anything. */
export const QUIET_MS = MENDED_MS + REQUEST_MS_MAX + LEASE_MS + 2 * GRACE_MS;
