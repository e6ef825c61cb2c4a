/**
 * Source memory as an engine has it that wants no copy made of it: a memfd that is sealed against shrinking, attached by its
 * path in /proc. Node cannot make one; Python, without which no native addon is built, can.
 */

import { startChild } from '../../src/processes/child-process.js';
import type { Teardown } from '../../src/processes/teardown.js';
import { within } from '../../src/processes/within.js';

/** For `--segment-directory`: the paths of such memory lie below it. */
export const MEMFD_DIRECTORY = '/proc';

const TIMEOUT_MS = 60_000;
const PROGRAM = `
import fcntl, os, sys
fd = os.memfd_create('kvferry-bench', os.MFD_ALLOW_SEALING)
os.posix_fallocate(fd, 0, int(sys.argv[1]))
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
print(f'/proc/{os.getpid()}/fd/{fd}', flush=True)
sys.stdin.read()
`;

/** Its path. It is there until `teardown`. */
export async function makeEngineMemory(
  { bytes, logDirectory }: { readonly bytes: number; readonly logDirectory: string },
  teardown: Teardown,
): Promise<string> {
  let resolvePath: (path: string) => void = () => undefined;
  const path = new Promise<string>((resolve) => {
    resolvePath = resolve;
  });
  const program = startChild(
    {
      name: 'engine memory',
      command: 'python3',
      args: ['-c', PROGRAM, `${bytes}`],
      env: process.env,
      logPath: `${logDirectory}/engine-memory.log`,
      input: true,
      onLine: (line) => resolvePath(line.trim()),
    },
    teardown,
  );
  return within(TIMEOUT_MS, 'engine memory is not there', Promise.race([path, program.failure()]));
}
