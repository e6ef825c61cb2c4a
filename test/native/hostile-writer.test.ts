/**
 * The fence of providers whose endpoints have connections: who has no live grant gets no connection, and a connection leads
 * to the arena only. A program that speaks libfabric by itself tries it, so our own sender's checks play no part.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { bindAddress, testedProviders, whyNot } from '../contract/native-harness.js';

const pageBytes = 64 * 1024;
const sources = fileURLToPath(new URL('../../src/native/cc', import.meta.url));
const source = fileURLToPath(new URL('children/hostile-writer.cc', import.meta.url));

for (const provider of testedProviders(['libfabric-tcp'])) {
  const reason = whyNot(provider);
  describe.skipIf(reason !== undefined)(`a hostile writer: ${provider} ${reason ?? ''}`, () => {
    const directory = mkdtempSync('/dev/shm/kvferry-test-');
    const program = join(directory, 'hostile-writer');
    beforeAll(() => {
      const hello = join(sources, 'libfabric/connected/hello.h');
      const args = ['-std=c++20', `-I${sources}`, '-include', hello, '-o', program, source, '-lfabric'];
      const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
      return () => rmSync(directory, { recursive: true });
    });

    test('T27: no grant, a forged key, a revoked grant → nothing lands', async () => {
      const receiver = await openNativeFabric({ providers: [provider], bindAddress });
      onTestFinished(() => receiver.close());
      const arena = join(directory, 'arena');
      await receiver.createArena({ path: arena, pageBytes, pages: 2 });
      const nothing = new Uint8Array(2 * pageBytes);
      const grant = await receiver.grant(provider);
      const [libfabric, listener, agent] = receiver.endpoints()[0]?.address.split(':') ?? [];
      const args = [libfabric, bindAddress, listener, agent, ...grant.token.split(':'), (2 * pageBytes).toString(16)];
      const writer = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
      const lines: string[] = [];
      for await (const line of createInterface({ input: writer.stdout })) {
        lines.push(line);
        if (line !== 'ready') continue;
        // What it wrote where it may.
        expect(readFileSync(arena).findIndex((byte, at) => byte !== (at < 4096 ? 0xee : 0))).toBe(-1);
        await receiver.revoke(grant.id);
        writeFileSync(arena, nothing, { flag: 'r+' });
        writer.stdin.end('go on\n');
      }
      expect(Buffer.compare(readFileSync(arena), nothing)).toBe(0);
      expect(lines).toEqual([
        'no hello: refused',
        'a short hello: refused',
        'another magic: refused',
        'another version: refused',
        'another agent: refused',
        'another grant: refused',
        'another secret: refused',
        'only a question: refused',
        'a made-up key: failed',
        'behind the arena: failed',
        'across the end of the arena: failed',
        'before the arena: failed',
        'inside the arena: written',
        'ready',
        'after the revocation: failed',
        'the revoked grant again: refused',
      ]);
    });
  });
}
