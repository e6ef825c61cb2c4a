/**
 * The endpoint for tools that use the protocol of Stately's inspector. A tool receives every live actor, then their events.
 * Stately's own page connects to a relay (`createInspectorServer` of `@statelyai/inspect`), and this endpoint connects to it.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StatelyInspectionEvent } from '@statelyai/inspect';
import { WebSocket, WebSocketServer } from 'ws';
import type { ActorView } from '../feed.js';
import type { Source } from '../source.js';
import { actorEvent, eventsOf } from './stately-events.js';

export const STATELY_PATH = '/stately';

const TOOLS_MAX = 16;
/** Most bytes buffered for one tool. Further events are dropped for that tool. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** Largest message from a tool. The endpoint ignores messages from tools. */
const MESSAGE_BYTES_MAX = 4096;
const RECONNECT_DELAY_MS = 2000;

export class StatelyEndpoint {
  readonly #source: Source;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX });
  /** Tools that have received the list of actors. */
  readonly #tools = new Set<WebSocket>();
  readonly #stop: () => void;
  #relay: WebSocket | undefined;
  #reconnecting: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(source: Source) {
    this.#source = source;
    this.#stop = source.history.listen({
      entries: (entries) => {
        if (this.#tools.size > 0) this.#send(this.#tools, entries.flatMap(eventsOf));
      },
    });
  }

  /** Accepts a connection from a tool. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#server.clients.size >= TOOLS_MAX) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (tool) => this.#attach(tool));
  }

  /** Connects to a relay, and reconnects after each disconnection. */
  connect(url: string): void {
    const relay = new WebSocket(url, { maxPayload: MESSAGE_BYTES_MAX });
    this.#relay = relay;
    relay.once('open', () => this.#attach(relay));
    relay.once('close', () => {
      if (!this.#isClosed) this.#reconnecting = setTimeout(() => this.connect(url), RECONNECT_DELAY_MS);
    });
    // `close` follows an error.
    relay.on('error', () => undefined);
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    clearTimeout(this.#reconnecting);
    for (const tool of this.#server.clients) tool.terminate();
    this.#relay?.terminate();
    this.#server.close();
  }

  #attach(tool: WebSocket): void {
    const watch = this.#source.watch();
    tool.once('close', () => {
      this.#tools.delete(tool);
      watch.close();
    });
    tool.on('error', () => tool.terminate());
    void this.#introduce(tool);
  }

  /** Sends the list of actors first, then events. */
  async #introduce(tool: WebSocket): Promise<void> {
    await this.#source.ready();
    const timeMs = this.#source.history.cluster()?.timeMs ?? 0;
    const actors = await this.#source.actors({}).catch(() => this.#source.history.actors(timeMs));
    if (tool.readyState !== WebSocket.OPEN) return;
    this.#send(
      [tool],
      actors.toSorted(byMachine).map((row) => actorEvent(row, timeMs)),
    );
    this.#tools.add(tool);
  }

  #send(tools: Iterable<WebSocket>, events: readonly StatelyInspectionEvent[]): void {
    const texts = events.map((event) => JSON.stringify(event));
    for (const tool of tools) {
      if (tool.readyState !== WebSocket.OPEN || tool.bufferedAmount > WAITING_BYTES_MAX) continue;
      for (const text of texts) tool.send(text);
    }
  }
}

/** Parents before their children. */
function byMachine(a: ActorView, b: ActorView): number {
  return ORDER.indexOf(a.machine) - ORDER.indexOf(b.machine);
}

const ORDER: readonly ActorView['machine'][] = [
  'agent',
  'line',
  'peer',
  'connection',
  'group',
  'rank',
  'ingest',
  'request',
  'transfer',
];
