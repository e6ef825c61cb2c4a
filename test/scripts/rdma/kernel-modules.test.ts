import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { modulesToLoad } from '../../../scripts/rdma/kernel-modules.js';

/** The modules of a kernel: what each file says that it needs. */
function kernel(modules: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'modules.builtin'), 'kernel/crypto/crc32_generic.ko\nkernel/net/ipv6/ipv6.ko\n');
  for (const [file, needs] of Object.entries(modules)) {
    mkdirSync(join(directory, dirname(file)), { recursive: true });
    writeFileSync(join(directory, file), `ELF\0license=GPL\0depends=${needs}\0retpoline=Y\0`);
  }
  return directory;
}

const rdma = {
  'kernel/net/udp_tunnel.ko': '',
  'kernel/rxe/rdma_rxe.ko': 'ib_core,udp-tunnel,ipv6',
  'kernel/core/ib_core.ko': '',
  'kernel/core/ib_uverbs.ko': 'ib_core',
};

test('modules that need others → those come first, and each comes once', () => {
  const names = modulesToLoad(kernel(rdma), ['crc32_generic', 'rdma_rxe', 'ib_uverbs']).map(({ name }) => name);
  expect(names).toEqual(['ib_core', 'udp_tunnel', 'rdma_rxe', 'ib_uverbs']);
});

test('a module that the kernel does not have → the reason, with its name', () => {
  const directory = kernel(rdma);
  expect(() => modulesToLoad(directory, ['rdma_rxe', 'siw'])).toThrow(`the kernel in ${directory} has no module siw`);
});
