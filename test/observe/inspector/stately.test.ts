import { once } from 'node:events';
import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createMachine } from 'xstate';
import type { ActorView } from '../../../src/observe/inspector/feed.js';
import type { RunningInspector } from '../../../src/observe/inspector/server/inspector-server.js';
import { entry, FixedSource, SENDER_EPOCH, start } from './support.js';

const request: ActorView = {
  ...{ agent: 'p', agentEpoch: SENDER_EPOCH, machine: 'request', actor: `request ${SENDER_EPOCH}/r1` },
  request: 'r1',
  epoch: SENDER_EPOCH,
  state: 'running.open',
  paths: [],
  ageMs: 1,
  inStateMs: 1,
  context: { batches: 1 },
};
const session = `p/${SENDER_EPOCH}/request ${SENDER_EPOCH}/r1`;
const root = `p/${SENDER_EPOCH}/agent p`;

const addressOf = ({ url }: RunningInspector) => `${url.replace('http', 'ws')}stately`;

/** What a tool of Stately's receives, one after the other. */
class Received {
  readonly #events: StatelyInspectionEvent[] = [];
  #heard: () => void = () => undefined;

  readonly add = (event: StatelyInspectionEvent): void => {
    this.#events.push(event);
    this.#heard();
  };

  async next(): Promise<StatelyInspectionEvent> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    return this.#events.shift() as StatelyInspectionEvent;
  }
}

/** With the receiver that Stately's package has. It cannot be closed: it goes with the inspector. */
function receive(inspector: RunningInspector): Received {
  const received = new Received();
  createWebSocketReceiver({ server: addressOf(inspector) }).subscribe(received.add);
  return received;
}

function sourceWith(...rows: ActorView[]): FixedSource {
  const source = new FixedSource();
  source.rows.push(...rows);
  return source;
}

describe("Stately's inspector", () => {
  test('a tool gets every live actor with machine, state and context', async () => {
    const source = sourceWith(request);
    const event = await receive(await start(source)).next();
    expect(event).toMatchObject({
      ...{
        type: '@xstate.actor',
        name: `p: request ${SENDER_EPOCH}/r1`,
        sessionId: session,
        rootId: root,
        parentId: root,
      },
      _version: '0.7.2',
      createdAt: expect.stringMatching(/^\d+$/),
      id: expect.any(String),
      snapshot: { status: 'active', value: { running: 'open' }, context: { batches: 1 } },
    });
    // It is drawn from the machine itself.
    const { definition } = event as Extract<StatelyInspectionEvent, { type: '@xstate.actor' }>;
    const machine = createMachine(JSON.parse(definition ?? ''));
    expect(Object.keys(machine.states)).toEqual([
      'put',
      'offered',
      'running',
      'settled',
      'aborting',
      'unknown',
      'ended',
    ]);
  });

  test('parents come before their children', async () => {
    const transfer = { machine: 'transfer', actor: `transfer ${SENDER_EPOCH}/r1/0`, state: 'writing' } as const;
    const agent = { machine: 'agent', actor: 'agent p', state: 'running' } as const;
    const rows = [{ ...request, ...transfer }, request, { ...request, ...agent }];
    const received = receive(await start(sourceWith(...rows)));
    const told = [await received.next(), await received.next(), await received.next()];
    expect(told).toMatchObject([
      { sessionId: root },
      { sessionId: session, parentId: root },
      { sessionId: `p/${SENDER_EPOCH}/transfer ${SENDER_EPOCH}/r1/0`, parentId: session },
    ]);
  });

  test('is sent actors that start, their events, nested states, and their ends', async () => {
    const source = sourceWith(request);
    const received = receive(await start(source));
    await received.next();
    const peer = { machine: 'peer', actor: 'peer d/1', request: undefined };
    source.history.addEntries([
      entry(1, 'r2', 'running.open', { event: '' }),
      entry(2, 'r1', 'settled', { from: 'running.open', event: 'request.ended' }),
      entry(3, 'r1', 'ended', { from: 'settled', event: 'transfer.committed', done: true }),
      entry(4, '', 'suspect.asking', { ...peer, from: 'suspect.listening', event: 'self.heard' }),
    ]);
    const told: StatelyInspectionEvent[] = [];
    for (let n = 0; n < 7; n += 1) told.push(await received.next());
    expect(told).toMatchObject([
      { type: '@xstate.actor', sessionId: session.replace('r1', 'r2'), snapshot: { value: { running: 'open' } } },
      { type: '@xstate.event', sessionId: session, event: { type: 'request.ended' }, rootId: root },
      {
        type: '@xstate.snapshot',
        sessionId: session,
        event: { type: 'request.ended' },
        snapshot: { value: 'settled' },
      },
      { type: '@xstate.event', sessionId: session, event: { type: 'transfer.committed' } },
      { type: '@xstate.snapshot', sessionId: session, snapshot: { value: 'ended', status: 'done' } },
      { type: '@xstate.event', event: { type: 'self.heard' } },
      { type: '@xstate.snapshot', snapshot: { value: { suspect: 'asking' } } },
    ]);
  });

  test('the cluster is watched as long as a tool is attached', async () => {
    const source = sourceWith(request);
    const inspector = await start(source);
    let closed: () => void = () => undefined;
    const unwatched = new Promise<void>((resolve) => {
      closed = resolve;
    });
    source.watch = () => ({ close: () => closed() });
    const tool = new WebSocket(addressOf(inspector));
    await once(tool, 'message');
    tool.close();
    await unwatched;
  });

  test('tools of this machine may attach, pages from elsewhere may not', async () => {
    const inspector = await start(sourceWith(request));
    const attach = async (headers: Record<string, string>, address = addressOf(inspector)) => {
      const tool = new WebSocket(address, { headers });
      const outcome = await once(tool, 'message').then(
        () => 'attached',
        (error: Error) => error.message,
      );
      tool.terminate();
      return outcome;
    };
    const refused = 'Unexpected server response: 403';
    expect(await attach({})).toBe('attached');
    expect(await attach({ origin: 'http://localhost:8080' })).toBe('attached');
    expect(await attach({ origin: 'https://elsewhere.example' })).toBe(refused);
    expect(await attach({ host: 'elsewhere.example' })).toBe(refused);
    expect(await attach({}, addressOf(inspector).replace('stately', 'api/feed'))).toBe(refused);
  });

  test('a relay gets the same, and again after a reconnection', async () => {
    const relay = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => void relay.close());
    await once(relay, 'listening');
    const { port } = relay.address() as { port: number };
    await start(sourceWith(request), { statelyRelay: `ws://127.0.0.1:${port}` });
    for (let attached = 0; attached < 2; attached += 1) {
      const [socket] = (await once(relay, 'connection')) as [WebSocket];
      const [text] = (await once(socket, 'message')) as [Buffer];
      expect(JSON.parse(text.toString())).toMatchObject({ type: '@xstate.actor', sessionId: session });
      socket.terminate();
    }
  });
});
