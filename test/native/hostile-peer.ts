/** A peer of the same-host socket that does not keep to the protocol. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { DeviceMemory, FabricEndpoint, FabricGrant } from '../../src/ports/fabric.js';

const PROGRAM = fileURLToPath(new URL('children/hostile-peer.py', import.meta.url));

/** A run of `hostile-peer.py`, which ends with its test. */
export class HostilePeer {
  /** Why there can be none here, or undefined. */
  static readonly whyNot = spawnSync('python3', ['--version']).status === 0 ? undefined : 'no python3';

  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(move: string, endpoint: FabricEndpoint, grant: FabricGrant, ...rest: string[]) {
    const args = [PROGRAM, move, pathOf(endpoint), grant.token, ...rest];
    this.#child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  async line(): Promise<unknown> {
    return JSON.parse((await this.#lines.next()).value);
  }

  nudge(): void {
    this.#child.stdin.write('\n');
  }

  end(): void {
    this.#child.stdin.end();
  }
}

/** Memory of a device, as `hostile-peer.py` takes it. */
export function inHex({ handle, device, bytes }: DeviceMemory): string[] {
  const uuid = device.replace('GPU-', '').replaceAll('-', '');
  return [Buffer.from(handle, 'base64').toString('hex'), uuid, String(bytes)];
}

/** The path of the socket, which is the last field of the address. */
export function pathOf({ address }: FabricEndpoint): string {
  return Buffer.from(address.split(':').at(-1) ?? '', 'hex').toString();
}
