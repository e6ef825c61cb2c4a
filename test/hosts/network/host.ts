/**
 * A host: a network and a /dev/shm of its own. The kernel removes both when the last process in them ends.
 */
import { join } from 'node:path';
import { ChildProcess } from '../../../src/processes/child-process.js';
import { run } from './command.js';

const START_TIMEOUT_MS = 10_000;
const MEMORY = 'size=512m,mode=1777';
/** Keeps the namespaces until its standard input is closed. */
const HOLDER = `mount -t tmpfs -o ${MEMORY} tmpfs /dev/shm && ip link set lo up && echo ready && exec cat`;

/** The two networks of every host: `control` leads to NATS, `data` to the other hosts. */
export const networks = { control: 77, data: 78 } as const;
export type NetworkName = keyof typeof networks;

export class Host implements AsyncDisposable {
  readonly name: string;
  /** Part of its addresses. */
  readonly number: number;
  readonly #holder: ChildProcess;

  private constructor(name: string, number: number, holder: ChildProcess) {
    this.name = name;
    this.number = number;
    this.#holder = holder;
  }

  static async start(name: string, number: number): Promise<Host> {
    const args = ['--net', '--mount', 'sh', '-c', HOLDER];
    const holder = new ChildProcess({ name: `host ${name}`, command: 'unshare', args, input: true });
    await holder.printed((line) => (line === 'ready' ? true : undefined), 'that it is ready', START_TIMEOUT_MS);
    return new Host(name, number, holder);
  }

  get pid(): number {
    return this.#holder.pid;
  }

  address(network: NetworkName): string {
    return `10.${networks[network]}.${this.number}.2`;
  }

  /** The address of the router in that network of this host. */
  gateway(network: NetworkName): string {
    return `10.${networks[network]}.${this.number}.1`;
  }

  /** A file of this host, for processes on other hosts: the tests read and write the memory of engines. */
  outside(path: string): string {
    return join(`/proc/${this.pid}/root`, path);
  }

  /** The words of a command that runs `command` on this host. `--root`: the files are those of this process, also in a chroot. */
  command(...command: readonly string[]): string[] {
    return ['nsenter', '--target', `${this.pid}`, '--net', '--mount', '--root', '--', ...command];
  }

  run(...command: readonly string[]): string {
    return run('nsenter', ...this.command(...command).slice(1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.kill();
  }
}
