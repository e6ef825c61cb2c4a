/** Runs npm, and programs that npm has installed, as a user would. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { natsServerEnvironment } from '../../src/processes/nats-server.js';

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const TIMEOUT_MS = 10 * 60_000;
/** What `npm run` sets for the command that it runs. It would lead npm back into the checkout. */
const OF_NPM_RUN = /^(npm_(package|lifecycle|command|config_(local_prefix|node_gyp|user_agent)).*|INIT_CWD)$/;

const environment = Object.fromEntries(
  Object.entries(natsServerEnvironment).filter(([name]) => !OF_NPM_RUN.test(name)),
);

/** Resolves with what it printed to the standard output. Rejects, with all of its output, when it fails. */
export async function runIn(
  directory: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    cwd: directory,
    env: { ...environment, ...env },
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: TIMEOUT_MS,
  }).catch((error: Error & { readonly stdout?: string; readonly stderr?: string }) => {
    throw new Error(`${command} ${args.join(' ')}: ${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
  });
  return stdout;
}
