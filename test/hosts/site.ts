/** The hosts of one case and their agents. */
import type { KvferryClient } from '../../src/client/kvferry-client.js';
import type { RequestEnds } from '../../src/client/request-ends.js';
import { HostAgent } from './host-agent.js';
import type { Host } from './network/host.js';
import type { Router } from './network/router.js';
import type { Slowness } from './network/wire.js';
import type { Tally } from './tally.js';

/** What all cases share. */
export interface HostsRun {
  readonly router: Router;
  readonly natsPort: number;
  readonly client: KvferryClient;
  readonly ends: RequestEnds;
  readonly tally: Tally;
  say(line: string): void;
}

export class Site implements AsyncDisposable {
  readonly run: HostsRun;
  readonly #hosts: Host[] = [];
  readonly #agents: HostAgent[] = [];

  constructor(run: HostsRun) {
    this.run = run;
  }

  async host(name: string, slow?: Slowness): Promise<Host> {
    const host = await this.run.router.host(name, slow);
    this.#hosts.push(host);
    return host;
  }

  /** Starts an agent. Await `serving` before it is used. */
  agent(
    host: Host,
    role: 'prefill' | 'decode',
    args: readonly string[] = [],
    name = `${role}-${host.number}-${this.#agents.length}`,
  ): HostAgent {
    const { natsPort } = this.run;
    const agent = new HostAgent({ host, role, name, natsPort, args });
    this.#agents.push(agent);
    return agent;
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.splice(0)) await agent[Symbol.asyncDispose]();
    for (const host of this.#hosts.splice(0)) await this.run.router.remove(host);
  }
}
