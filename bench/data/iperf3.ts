/** One stream of iperf3 over loopback, with a server and a client for each measurement. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { freePort } from '../harness/free-port.js';

const TIMEOUT_MS = 30_000;
const BYTES_PER_GB = 1e9;
const BITS_PER_BYTE = 8;

interface Result {
  readonly end: { readonly sum_received: { readonly bits_per_second: number } };
}

/** GB/s as counted by the receiving side. */
export async function measureIperf3(bytes: number): Promise<number> {
  const port = `${await freePort()}`;
  const server = spawn('iperf3', ['--server', '--one-off', '--forceflush', '--bind', '127.0.0.1', '--port', port], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await within(TIMEOUT_MS, 'the iperf3 server does not listen', once(createInterface(server.stdout), 'line'));
    const client = spawn('iperf3', ['--client', '127.0.0.1', '--port', port, '--bytes', `${bytes}`, '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TIMEOUT_MS,
    });
    const output = (await client.stdout.toArray()).join('');
    const { end } = JSON.parse(output) as Result;
    return end.sum_received.bits_per_second / BITS_PER_BYTE / BYTES_PER_GB;
  } catch (cause) {
    throw new KvferryError('internal', 'iperf3 gave no result', { cause });
  } finally {
    server.kill('SIGKILL');
  }
}
