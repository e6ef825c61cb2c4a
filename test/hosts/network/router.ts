/**
 * The router between the hosts: the namespace of this process. Each host has two links to it: `control`, over which it reaches
 * NATS, and `data`, over which agents reach each other. The router's end of a link is `c` or `d` and the number of the host.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { KvferryError } from '../../../src/protocol/errors.js';
import { run, succeeds } from './command.js';
import { Host, type NetworkName, networks } from './host.js';
import { type Slowness, startWire } from './wire.js';

const ENDS = { control: 'c', data: 'd' } as const;
const LOOK_MS = 5;
const WAIT_MS = 30_000;

export class Router {
  #hosts = 0;

  constructor() {
    run('ip', 'link', 'set', 'lo', 'up');
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    // A router that limits its ICMP messages would make the case of a narrow link depend on luck.
    writeFileSync('/proc/sys/net/ipv4/icmp_ratelimit', '0');
  }

  /** The router's end of a link. */
  end(host: Host, network: NetworkName): string {
    return `${ENDS[network]}${host.number}`;
  }

  /** A new host with both links. With `slow`, its link to the other hosts loses and delays frames. */
  async host(name: string, slow?: Slowness): Promise<Host> {
    this.#hosts += 1;
    const host = await Host.start(name, this.#hosts);
    this.#addLink(host, 'control');
    if (slow === undefined || hasNetem()) this.#addLink(host, 'data');
    else await this.#addWire(host, slow);
    if (slow !== undefined && hasNetem()) this.#slowDown(host, slow);
    return host;
  }

  /** Gives the host an IPv6 address on its link to the other hosts. Returns it. */
  addIpv6(host: Host): string {
    const prefix = `fd78:${host.number}:`;
    // `nodad`: at once, without asking whether another host has the address.
    run('ip', 'address', 'add', `${prefix}:1/64`, 'dev', this.end(host, 'data'), 'nodad');
    host.run('ip', 'address', 'add', `${prefix}:2/64`, 'dev', 'data', 'nodad');
    host.run('ip', 'route', 'add', 'fd78::/16', 'via', `${prefix}:1`);
    writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
    return `${prefix}:2`;
  }

  /** The host and its links are gone. */
  async remove(host: Host): Promise<void> {
    for (const network of ['control', 'data'] as const) run('ip', 'link', 'delete', this.end(host, network));
    await host[Symbol.asyncDispose]();
  }

  cut(host: Host, ...cut: readonly NetworkName[]): void {
    for (const network of cut) run('ip', 'link', 'set', this.end(host, network), 'down');
  }

  restore(host: Host, ...restored: readonly NetworkName[]): void {
    for (const network of restored) run('ip', 'link', 'set', this.end(host, network), 'up');
  }

  /** Bytes to the host over its `data` link are no faster than that: so a test has time to cut a transfer. */
  limitRate(host: Host, megabits: number): void {
    const limit = ['rate', `${megabits}mbit`, 'burst', '128kb', 'latency', '100ms'];
    run('tc', 'qdisc', 'replace', 'dev', this.end(host, 'data'), 'root', 'tbf', ...limit);
  }

  unlimitRate(host: Host): void {
    run('tc', 'qdisc', 'delete', 'dev', this.end(host, 'data'), 'root');
  }

  /** Bytes that the router has sent to the host. */
  bytesTo(host: Host, network: NetworkName): number {
    const [link] = JSON.parse(run('ip', '-json', '-stats', 'link', 'show', 'dev', this.end(host, network))) as [
      { readonly stats64: { readonly tx: { readonly bytes: number } } },
    ];
    return link.stats64.tx.bytes;
  }

  /** Resolves when the router has sent that many more bytes to the host over its `data` link. */
  async carried(host: Host, bytes: number): Promise<void> {
    const wanted = this.bytesTo(host, 'data') + bytes;
    const deadlineMs = performance.now() + WAIT_MS;
    while (this.bytesTo(host, 'data') < wanted) {
      if (performance.now() > deadlineMs) {
        throw new KvferryError('deadline_exceeded', `host ${host.name} got less than ${bytes} bytes`);
      }
      await delay(LOOK_MS);
    }
  }

  #addLink(host: Host, network: NetworkName): void {
    const end = this.end(host, network);
    run('ip', 'link', 'add', end, 'type', 'veth', 'peer', 'name', network, 'netns', `${host.pid}`);
    this.#configure(host, network);
  }

  async #addWire(host: Host, slow: Slowness): Promise<void> {
    const far = `w${host.number}`;
    await startWire(this.end(host, 'data'), far, slow);
    run('ip', 'link', 'set', far, 'netns', `${host.pid}`, 'name', 'data');
    this.#configure(host, 'data');
  }

  #configure(host: Host, network: NetworkName): void {
    const end = this.end(host, network);
    run('ip', 'address', 'add', `${host.gateway(network)}/24`, 'dev', end);
    run('ip', 'link', 'set', end, 'up');
    host.run('ip', 'address', 'add', `${host.address(network)}/24`, 'dev', network);
    host.run('ip', 'link', 'set', network, 'up');
    host.run('ip', 'route', 'add', `10.${networks[network]}.0.0/16`, 'via', host.gateway(network));
  }

  #slowDown(host: Host, { delayMs, loss }: Slowness): void {
    const netem = (dev: string) =>
      ['tc', 'qdisc', 'add', 'dev', dev, 'root', 'netem', 'delay', `${delayMs}ms`, 'loss', `${loss * 100}%`] as const;
    const [command, ...args] = netem(this.end(host, 'data'));
    run(command, ...args);
    host.run(...netem('data'));
  }
}

let netem: boolean | undefined;

/** Whether this kernel can lose and delay frames by itself. */
export function hasNetem(): boolean {
  netem ??=
    succeeds('tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms') &&
    succeeds('tc', 'qdisc', 'delete', 'dev', 'lo', 'root');
  return netem;
}
