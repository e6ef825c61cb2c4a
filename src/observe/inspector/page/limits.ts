/** Everything the page keeps or draws is bounded, whatever comes. Times in milliseconds. */

/** Requests the page keeps of the feed; older ones are asked for with a filter or the time bar. */
export const REQUESTS_KEPT_MAX = 1000;
/** Requests and actors one question asks for. */
export const ROWS_ASKED_MAX = 500;
/** Entries that wait for the next frame; a hidden tab draws none. */
export const ENTRIES_PENDING_MAX = 5000;
/** Last entries of one actor that are shown. */
export const ENTRIES_SHOWN_MAX = 60;
/** Throughput of each agent: two points a second. */
export const RATE_POINTS_MAX = 120;
/** Agents whose throughput is remembered. */
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

/** A question that is not answered by then has failed. */
export const FETCH_TIMEOUT_MS = 10_000;
/** Nothing was heard for so long, though the cluster is sent twice a second: the line is dead. */
export const SILENCE_MS_MAX = 5000;
/** EventSource tries again by itself, except after an answer that it takes for final. */
export const RECONNECT_MS = 2000;
/** A hidden tab has no frames; what has come is taken in this often. */
export const HIDDEN_FLUSH_MS = 1000;
/** How often lists that the feed does not carry are asked for. */
export const POLL_MS = 1000;
/** How often numbers that count by themselves are redrawn. */
export const TICK_MS = 100;
/** For so long an arrow that was taken stays lit. */
export const ARROW_LIT_MS = 900;
/** A fault is injected by a second press within this time. */
export const CONFIRM_MS = 4000;
/** Browsers refuse to change the address much oftener. */
export const ADDRESS_MS = 400;
/** How often the moment moves while the past is played. */
export const PLAY_STEP_MS = 200;
/** Looking for the next entry: the first stretch of time that is looked through, and how many are tried. */
export const STEP_STRETCH_MS = 20;
export const STEP_TRIES_MAX = 12;
/** Entries one question asks for. */
export const ENTRIES_ASKED_MAX = 500;
