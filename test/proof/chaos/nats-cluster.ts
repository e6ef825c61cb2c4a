/**
 * Three real NATS servers with a route between each pair. Servers are frozen, killed, rolled and replaced in order; routes are
 * cut and reset.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type NatsServer, startNatsServer } from '../../../src/processes/nats-server.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { poll, within } from '../../../src/processes/within.js';
import { KvferryError } from '../../../src/protocol/errors.js';
import { RouteProxy } from './route-proxy.js';

const SERVERS = 3;
const ROUTE_LISTENING = /Listening for route connections on \S+:(\d+)/;
const ROUTES_TIMEOUT_MS = 10_000;
/** Lets the server choose a free port. */
const ANY_PORT = -1;
/** Of a server that is asked to end: it may first send its clients away one by one. */
const REPLACE_TIMEOUT_MS = 60_000;
/** A server that sends its clients away takes no new ones, waits for the grace period, and then ends one connection a second. */
const CONFIGURATION = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"\n';
/** No server listens there. Servers and clients that follow an advertised address must still work. */
const UNREACHABLE = '127.0.0.1:1';

interface Node {
  readonly name: string;
  readonly directory: string;
  readonly port: number;
  /** Chosen by the server. */
  routePort: number;
  readonly routes: readonly RouteProxy[];
  server: NatsServer | undefined;
}

export class NatsCluster {
  cuts = 0;
  resets = 0;
  freezes = 0;
  restarts = 0;
  readonly #nodes: Node[] = [];

  private constructor() {}

  static async start(directory: string, teardown: Teardown): Promise<NatsCluster> {
    const cluster = new NatsCluster();
    for (let number = 0; number < SERVERS; number += 1) await cluster.#add(directory, number, teardown);
    await cluster.#routed();
    return cluster;
  }

  /** The URLs of all servers, separated by commas. */
  get url(): string {
    return this.urls.join(',');
  }

  get urls(): readonly string[] {
    return this.#nodes.map(({ port }) => `nats://127.0.0.1:${port}`);
  }

  get size(): number {
    return this.#nodes.length;
  }

  /** Breaks the route of each pair of servers with that number, and lets them connect again after `forMs`. */
  async cutRoute(number: number, forMs: number): Promise<void> {
    const route = this.#route(number);
    route.cut();
    this.cuts += 1;
    await delay(forMs);
    route.mend();
  }

  /** Breaks a route whose servers connect again by themselves. */
  resetRoute(number: number): void {
    this.#route(number).reset();
    this.resets += 1;
  }

  /** Stops a server for a time. Its connections stay open. */
  async freeze(number: number, forMs: number): Promise<void> {
    const { server } = this.#node(number);
    this.freezes += 1;
    server?.child.signal('SIGSTOP');
    await delay(forMs);
    server?.child.signal('SIGCONT');
  }

  /** Kills a server, and starts it again on the same ports after `forMs`. */
  async restart(number: number, forMs: number): Promise<void> {
    const node = this.#node(number);
    this.restarts += 1;
    await node.server?.child.kill();
    await delay(forMs);
    await startAgain(node);
  }

  /**
   * Lets a server end by itself, and starts it again on the same ports. It ends at once (`SIGTERM`), or sends its clients away
   * first (`SIGUSR2`, which NATS calls lame duck).
   */
  async replace(number: number, signal: 'SIGTERM' | 'SIGUSR2'): Promise<void> {
    const node = this.#node(number);
    this.restarts += 1;
    const child = node.server?.child;
    child?.signal(signal);
    await within(REPLACE_TIMEOUT_MS, `${node.name} did not end`, Promise.resolve(child?.exited));
    await startAgain(node);
    await this.#routed();
  }

  /** Replaces every server, one after the other. */
  async roll(restMs: number): Promise<void> {
    for (const number of this.#nodes.keys()) {
      await this.restart(number, 0);
      await delay(restMs);
    }
  }

  #node(number: number): Node {
    return this.#nodes[number % this.#nodes.length] as Node;
  }

  #route(number: number): RouteProxy {
    const routes = this.#nodes.flatMap((node) => node.routes);
    return routes[number % routes.length] as RouteProxy;
  }

  async #add(directory: string, number: number, teardown: Teardown): Promise<void> {
    const name = `nats-${number}`;
    const own = join(directory, name);
    mkdirSync(own, { recursive: true });
    const routes = await Promise.all(this.#nodes.map(({ routePort }) => RouteProxy.open(routePort)));
    for (const route of routes) teardown.defer(() => route.close());
    writeFileSync(configurationOf(own), CONFIGURATION);
    const args = argumentsOf({ name, directory: own, routes, routePort: ANY_PORT });
    const server = await startNatsServer({ directory: own, args });
    const node: Node = { name, directory: own, port: server.port, routePort: ANY_PORT, routes, server };
    teardown.defer(() => node.server?.child.kill());
    node.routePort = await routePortOf(own);
    this.#nodes.push(node);
  }

  /** Resolves when every server has a route to every other one. */
  async #routed(): Promise<void> {
    const all = () => this.#nodes.every(({ routes }) => routes.every((route) => route.isOpen));
    if ((await poll(ROUTES_TIMEOUT_MS, async () => all() || undefined)) === true) return;
    throw new KvferryError('deadline_exceeded', 'the NATS servers did not connect to each other in time');
  }
}

/** Starts the next process of a server that has ended. */
async function startAgain(node: Node): Promise<void> {
  node.server = await startNatsServer({ directory: node.directory, port: node.port, args: argumentsOf(node) });
}

function configurationOf(directory: string): string {
  return join(directory, 'nats.conf');
}

function argumentsOf(node: Pick<Node, 'name' | 'directory' | 'routes' | 'routePort'>): string[] {
  const { name, directory, routes, routePort } = node;
  const urls = routes.map(({ port }) => `nats-route://127.0.0.1:${port}`);
  return [
    ...[
      '--config',
      configurationOf(directory),
      '--name',
      name,
      '--cluster_name',
      'chaos',
      '--cluster',
      `nats://127.0.0.1:${routePort}`,
    ],
    ...['--cluster_advertise', UNREACHABLE, '--client_advertise', UNREACHABLE],
    ...(urls.length === 0 ? [] : ['--routes', urls.join(',')]),
  ];
}

/** The port of the server's routes is in its log soon after it is ready. The file may not exist yet. */
async function routePortOf(directory: string): Promise<number> {
  const path = join(directory, 'nats-server.log');
  const look = async () => (existsSync(path) ? ROUTE_LISTENING.exec(readFileSync(path, 'utf8'))?.[1] : undefined);
  const port = await poll(ROUTES_TIMEOUT_MS, look);
  if (port !== undefined) return Number(port);
  throw new KvferryError('deadline_exceeded', `the NATS server in ${directory} did not open a port for routes in time`);
}
