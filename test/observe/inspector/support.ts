/** An inspector on a real socket, whose feed a test controls. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ActorView, ClusterView, EntryView, ExplanationView } from '../../../src/observe/inspector/feed.js';
import { History } from '../../../src/observe/inspector/history/history.js';
import { type RunningInspector, startInspector } from '../../../src/observe/inspector/server/inspector-server.js';
import {
  type ActorQuery,
  type ExplainQuery,
  matchesActor,
  type Source,
} from '../../../src/observe/inspector/source.js';

export const SENDER_EPOCH = '00000000000000aa';
const PAGE = `<!doctype html><script type="importmap">{"imports":{}}</script><script type="module" src="/main.js"></script>`;

export class FixedSource implements Source {
  readonly history = new History();
  readonly rows: ActorView[] = [];
  readonly explanations: ExplanationView[] = [];
  readonly asked: unknown[] = [];
  fault: Source['fault'];
  watchers = 0;
  isClosed = false;

  watch(): { close(): void } {
    this.watchers += 1;
    return {
      close: () => {
        this.watchers -= 1;
      },
    };
  }

  async ready() {}

  async actors(query: ActorQuery, atMs?: number) {
    this.asked.push([query, atMs]);
    return this.rows.filter((row) => matchesActor(row, query));
  }

  async explain(query: ExplainQuery, atMs?: number) {
    this.asked.push([query, atMs]);
    return this.explanations;
  }

  async close() {
    this.isClosed = true;
  }
}

/** Closes at the end of the test. */
export async function start(
  source: Source,
  options: { readonly statelyRelay?: string; readonly page?: string } = {},
): Promise<RunningInspector> {
  const pageFolder = mkdtempSync(join(tmpdir(), 'kvferry-page-'));
  writeFileSync(join(pageFolder, 'index.html'), options.page ?? PAGE);
  writeFileSync(join(pageFolder, 'main.js'), 'export {};\n');
  const { statelyRelay } = options;
  const inspector = await startInspector({ source, host: '127.0.0.1', port: 0, pageFolder, statelyRelay });
  onTestFinished(async () => {
    await inspector.close();
    rmSync(pageFolder, { recursive: true });
  });
  return inspector;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Sends a request with any headers, including those that `fetch` does not allow. */
export function ask(
  inspector: RunningInspector,
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL(path, inspector.url), rest, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

export async function get(inspector: RunningInspector, path: string): Promise<unknown> {
  return JSON.parse((await ask(inspector, path)).text);
}

export function cluster(timeMs: number): ClusterView {
  const source = { kind: 'live', name: 'x', state: 'connected', fromMs: 0, toMs: timeMs, oneIn: 1, missed: 0 } as const;
  return { timeMs, source: { ...source, faultsAllowed: false }, agents: [] };
}

/** A state of the request machine of a sender. */
export function entry(timeMs: number, request: string, to: string, more: object = {}): EntryView {
  const identity = {
    machine: 'request',
    actor: `request ${SENDER_EPOCH}/${request}`,
    request,
    epoch: SENDER_EPOCH,
  } as const;
  const state = { n: timeMs, atMs: timeMs, kind: 'state', ...identity, event: 'x', to, done: false, ...more } as const;
  return { agent: 'p', agentEpoch: SENDER_EPOCH, timeMs, entry: state };
}
