/** Runs a workload on a system. It keeps a number of requests under way and starts the next when one is over. */
import { ArenaContents } from './arena-contents.js';
import type { System } from './system.js';
import { Timeline } from './timeline.js';
import type { WorkloadRequest } from './workload.js';

/** Time between two steps of chunked prefill. */
const STEP_MS = 20;
/** Time after which the router counts a request as lost. */
const LOST_AFTER_MS = 5_000;
/** Interval at which the pages in use are counted. */
const SAMPLE_MS = 25;
const MS_PER_S = 1000;

export interface WorkloadResult {
  /** Requests a second of which every byte was right when it was read. */
  readonly goodPerS: number;
  /** Requests that were ready although a page was missing or had other bytes. */
  readonly wrong: number;
  /** Requests that were aborted, and whose router or engine knows it. */
  readonly aborted: number;
  /** Requests that were neither ready nor ended within 5 s. */
  readonly lost: number;
  /** Pages that are still in use at the end. */
  readonly lostPages: number;
  /** Average fraction of the arena in use, 0 to 1. */
  readonly occupied: number;
}

export function runWorkload(
  workload: readonly WorkloadRequest[],
  { pages, atOnce }: { readonly pages: number; readonly atOnce: number },
  makeSystem: (pages: number, timeline: Timeline, contents: ArenaContents) => System,
): WorkloadResult {
  const timeline = new Timeline();
  const contents = new ArenaContents(timeline);
  const system = makeSystem(pages, timeline, contents);
  const counts = { good: 0, wrong: 0, aborted: 0, lost: 0 };
  const samples: number[] = [];
  let begun = 0;
  let over = 0;
  let endMs = 0;
  const next = () => {
    const request = workload[begun];
    begun += 1;
    if (request === undefined) return;
    let isOver = false;
    const finish = (how: keyof typeof counts) => {
      if (isOver) return;
      isOver = true;
      counts[how] += 1;
      over += 1;
      endMs = timeline.nowMs;
      next();
    };
    const outcome = {
      ready: (places: readonly (Parameters<ArenaContents['holds']>[0] | undefined)[]) => {
        const right = () => places.every((place) => place !== undefined && contents.holds(place));
        const atFirst = right();
        // The decode engine reads during the whole time from ready to release.
        timeline.after(request.holdMs, () => {
          const good = atFirst && right();
          system.release(request);
          finish(good ? 'good' : 'wrong');
        });
      },
      ended: () => finish('aborted'),
    };
    for (const batch of request.batches.keys()) {
      timeline.after(batch * STEP_MS, () => {
        if (!isOver) system.put(request, batch, outcome);
      });
    }
    if (request.abortAfterMs !== undefined) {
      timeline.after(request.abortAfterMs, () => {
        if (isOver) return;
        system.abort(request);
        // The engine gave the request up itself, so it is not lost.
        timeline.after(STEP_MS, () => finish('aborted'));
      });
    }
    timeline.after(LOST_AFTER_MS, () => {
      if (isOver) return;
      system.abort(request);
      finish('lost');
    });
  };
  for (let lane = 0; lane < atOnce; lane += 1) next();
  const sample = () => {
    samples.push(1 - system.freePages / pages);
    if (over < workload.length) timeline.after(SAMPLE_MS, sample);
  };
  sample();
  timeline.run();
  return {
    goodPerS: counts.good / (endMs / MS_PER_S),
    wrong: counts.wrong,
    aborted: counts.aborted,
    lost: counts.lost,
    lostPages: pages - system.freePages,
    occupied: samples.reduce((sum, part) => sum + part, 0) / samples.length,
  };
}
