// Runs the fabric contract on a CUDA device of this machine. Without one it says so, and succeeds. Never uses the stand-in.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

delete process.env.KVFERRY_LIBCUDA;
const native = createRequire(import.meta.url)('../../build/Release/kvferry_native.node');
const { devices, reason } = await native.cudaDevices();
if (devices.length === 0) {
  console.log(`test:gpu is skipped: ${reason}`);
} else {
  console.log(`test:gpu runs on ${devices[0].name}`);
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url));
  const args = [vitest, 'run', '--config', config, ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}
