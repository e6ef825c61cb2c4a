/** Limits of everything that the page keeps or draws. Times in milliseconds. */

/** Requests of the feed that the page keeps. It asks for older ones with a filter or the time bar. */
export const REQUESTS_KEPT_MAX = 1000;
/** Requests or actors in the answer to one question. */
export const ROWS_ASKED_MAX = 500;
/** Entries that wait for the next frame. A hidden tab draws no frames. */
export const ENTRIES_PENDING_MAX = 5000;
/** Entries shown of one actor, newest first. */
export const ENTRIES_SHOWN_MAX = 60;
/** Points of each agent's throughput, two a second. */
export const RATE_POINTS_MAX = 120;
/** Agents whose throughput the page keeps. */
export const AGENTS_REMEMBERED_MAX = 256;

/** Rows of a timeline, marks in one of its rows, lanes of messages that overlap. */
export const TIMELINE_ROWS_MAX = 48;
export const TIMELINE_MARKS_MAX = 120;
export const MESSAGE_LANES_MAX = 5;
/** Lines of a sequence diagram, and agents beside each other in it. */
export const SEQUENCE_STEPS_MAX = 160;
export const SEQUENCE_LANES_MAX = 8;
/** Agents in one column of the drawing of links. */
export const GRAPH_AGENTS_MAX = 16;

/** Lines of an actor's context that are shown. */
export const CONTEXT_LINES_MAX = 200;
/** Characters of a filter. */
export const FILTER_CHARACTERS_MAX = 160;

/** A question without an answer within this time has failed. */
export const FETCH_TIMEOUT_MS = 10_000;
/** A feed that is silent for this long is dead, because the server sends the cluster twice a second. */
export const SILENCE_MS_MAX = 5000;
/**
 * Delay before the page reconnects. EventSource reconnects by itself, except after an answer that it takes as final.
 */
export const RECONNECT_MS = 2000;
/** A hidden tab has no frames, so it takes in new data at this interval. */
export const HIDDEN_FLUSH_MS = 1000;
/** How often the page asks for lists that the feed does not carry. */
export const POLL_MS = 1000;
/** How often running times are redrawn. */
export const TICK_MS = 100;
/** How long the arrow of a state change stays lit. */
export const ARROW_LIT_MS = 900;
/** A second press within this time injects a fault. */
export const CONFIRM_MS = 4000;
/** Shortest time between two changes of the address. Browsers refuse faster ones. */
export const ADDRESS_MS = 400;
/** How often the moment moves while the page plays the past. */
export const PLAY_STEP_MS = 200;
/** Search for the next entry: the first span of time, and the number of spans. */
export const STEP_STRETCH_MS = 20;
export const STEP_TRIES_MAX = 12;
/** Entries in the answer to one question. */
export const ENTRIES_ASKED_MAX = 500;
