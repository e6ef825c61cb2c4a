import { describe, expect, test } from 'vitest';
import { ArenaContents } from '../../bench/contention/arena-contents.js';
import { KvferrySystem } from '../../bench/contention/kvferry-system.js';
import { runWorkload } from '../../bench/contention/run-workload.js';
import type { Outcome, System } from '../../bench/contention/system.js';
import { Timeline } from '../../bench/contention/timeline.js';
import { UpstreamModel } from '../../bench/contention/upstream-model.js';
import { makeWorkload, type WorkloadRequest } from '../../bench/contention/workload.js';

type MakeSystem = (pages: number, timeline: Timeline, contents: ArenaContents) => System;
const kvferry: MakeSystem = (...parts) => new KvferrySystem(...parts);
const upstream: MakeSystem = (...parts) => new UpstreamModel(...parts);

function request(name: string, sender: number, ...batches: string[][]): WorkloadRequest {
  return { name, sender, batches, holdMs: 0, abortAfterMs: undefined };
}

/** Runs a few steps by hand; answers what each request heard, and when. */
function play(makeSystem: MakeSystem, pages: number, steps: (stage: Stage) => void): Stage {
  const stage = new Stage(makeSystem, pages);
  steps(stage);
  stage.timeline.run();
  return stage;
}

class Stage {
  readonly timeline = new Timeline();
  readonly heard: Record<string, string> = {};
  readonly system: System;
  readonly #contents = new ArenaContents(this.timeline);

  constructor(makeSystem: MakeSystem, pages: number) {
    this.system = makeSystem(pages, this.timeline, this.#contents);
  }

  put(atMs: number, one: WorkloadRequest, batch = 0): void {
    const outcome: Outcome = {
      ready: (places) => {
        const right = places.every((place) => place !== undefined && this.#contents.holds(place));
        this.heard[one.name] = right ? 'ready' : 'ready with wrong bytes';
      },
      ended: () => {
        this.heard[one.name] = 'ended';
      },
    };
    this.timeline.after(atMs, () => this.system.put(one, batch, outcome));
  }

  abort(atMs: number, one: WorkloadRequest): void {
    this.timeline.after(atMs, () => this.system.abort(one));
  }
}

describe('the model of upstream', () => {
  const first = request('first', 0, ['a', 'b']);
  const second = request('second', 1, ['a', 'b']);

  test('moves what nobody disputes', () => {
    expect(play(upstream, 2, (stage) => stage.put(0, first)).heard).toEqual({ first: 'ready' });
  });

  test('reports a request ready on a page that another one is still writing', () => {
    const steps = (stage: Stage) => {
      stage.put(0, first);
      stage.put(1, second);
    };
    expect(play(upstream, 4, steps).heard).toEqual({ first: 'ready', second: 'ready with wrong bytes' });
    expect(play(kvferry, 4, steps).heard).toEqual({ first: 'ready', second: 'ready' });
  });

  test("a cancel frees pages under a write → with upstream's rules it lands in another's", () => {
    const longer = request('first', 0, ['a', 'b', 'e']);
    const steps = (stage: Stage) => {
      stage.put(0, longer);
      stage.abort(2, longer);
      stage.put(2.2, request('other', 1, ['c', 'd']));
      stage.put(2.2, request('third', 2, ['f']));
    };
    expect(Object.values(play(upstream, 3, steps).heard)).toContain('ready with wrong bytes');
    expect(play(kvferry, 3, steps).heard).toEqual({ first: 'ended', other: 'ready', third: 'ready' });
  });

  test('writes to a page that went back because another request had put the key', () => {
    const keeper = request('keeper', 2, ['x', 'y']);
    const third = request('third', 3, ['z']);
    const { heard } = play(upstream, 2, (stage) => {
      stage.put(0, keeper);
      stage.timeline.after(20, () => stage.system.release(keeper));
      // Both look 'a' up while it is not there, and wait.
      stage.put(9, request('one', 0, ['a']));
      stage.put(9, request('two', 1, ['a']));
      stage.put(21, third);
    });
    expect(Object.values(heard)).toContain('ready with wrong bytes');
  });

  test('keeps a cancel waiting behind the allocation that waits for what it would free', () => {
    const holder = request('holder', 0, ['a'], ['b']);
    const steps = (stage: Stage) => {
      stage.put(0, holder);
      // Both are admitted to the same four pages, of which the second batch of the holder takes one, uncharged.
      stage.put(9.9, holder, 1);
      stage.put(10, request('reader', 1, ['c', 'd']));
      stage.put(10, request('waiter', 0, ['e', 'f']));
      stage.abort(11, holder);
    };
    expect(play(upstream, 5, steps).heard).toEqual({ reader: 'ready' });
    expect(play(kvferry, 5, steps).heard).toEqual({ holder: 'ended', reader: 'ready', waiter: 'ready' });
  });
});

describe('the same workload on both', () => {
  const workload = makeWorkload({ seed: 3, requests: 300, batches: 1, aborted: 0.05 });
  const size = { pages: 149, atOnce: 16 };

  test('is the same for the same seed', () => {
    expect(makeWorkload({ seed: 3, requests: 300, batches: 1, aborted: 0.05 })).toEqual(workload);
  });

  test('the shipped store ends every request with the right bytes, and frees every page', () => {
    const { goodPerS, wrong, aborted, lost, lostPages } = runWorkload(workload, size, kvferry);
    expect({ wrong, lost, lostPages }).toEqual({ wrong: 0, lost: 0, lostPages: 0 });
    expect(goodPerS).toBeGreaterThan(0);
    expect(aborted).toBeGreaterThan(0);
  });

  test('gives wrong bytes with the rules of upstream', () => {
    expect(runWorkload(workload, size, upstream).wrong).toBeGreaterThan(0);
  });
});
