/** Faults of the process itself: SIGKILL and SIGSTOP. */
import { spawn } from 'node:child_process';
import type { Logger } from 'pino';
import type { FaultHost } from './faults.js';

const MS_PER_S = 1000;
const STOP_AND_CONTINUE = 'kill -STOP "$1" && sleep "$2" && kill -CONT "$1"';

export function processHost(logger: Logger): Pick<FaultHost, 'kill' | 'stopFor'> {
  return {
    kill: () => void process.kill(process.pid, 'SIGKILL'),
    /** A stopped process cannot wake itself. One helper process sends both signals, so that they arrive in order. */
    stopFor: (timeMs) => {
      const args = ['-c', STOP_AND_CONTINUE, 'sh', `${process.pid}`, `${timeMs / MS_PER_S}`];
      const helper = spawn('sh', args, { detached: true, stdio: 'ignore' });
      helper.once('error', (err) => logger.error({ err }, 'fault stop failed: cannot start the helper process'));
      helper.unref();
    },
  };
}
