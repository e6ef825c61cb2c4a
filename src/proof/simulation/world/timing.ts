/** Times of a simulated world, in milliseconds of its simulated clock. */

/** New requests and new faults begin only before this time. */
export const ACTIVE_MS = 6000;
/** At this time all faults end, and every dead or stopped agent runs again. */
export const MENDED_MS = 8000;

export const HEARTBEAT_MS = 500;
export const LEASE_MS = 2000;
export const SWEEP_MS = 250;
export const DRAIN_MS = 600;
export const CONNECT_MS = 300;
export const ATTEMPT_MS = 150;
export const INQUIRE_MS = 300;

/** Longest timeout of a request. */
export const REQUEST_MS_MAX = 12_000;
/** Clocks run faster or slower by at most this fraction. */
export const SKEW_MAX = 0.1;
/** Timeout of one call of an engine or a router. */
export const CALL_MS = 800;

/** Time of a request that nothing delays, from its last batch to its end. */
export const OWN_MS = 500;
/** Time after a fault, until agents have connected again and repeated what was lost. */
export const REPAIR_MS = 4 * HEARTBEAT_MS + DRAIN_MS;

/** Longest time from the deadline of a request, or from `MENDED_MS` if that is later, to the announcement of its end. */
export const GRACE_MS = 3 * HEARTBEAT_MS + DRAIN_MS + CONNECT_MS + 4 * ATTEMPT_MS + LEASE_MS;
/** From this time on, no page, lease or request may be in use. */
export const QUIET_MS = MENDED_MS + REQUEST_MS_MAX + LEASE_MS + 2 * GRACE_MS;
