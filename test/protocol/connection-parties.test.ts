/** T28: what a remote key is bound to. Each part that is left out lets the key of one connection pass for another one. */
import { expect, test } from 'vitest';
import { aboutConnection } from '../../src/protocol/connection-parties.js';

const receiver = { agent: 'decode-0', epoch: 'e1' };
const sender = { agent: 'prefill-0', epoch: 'e2' };

test('T28: another process, epoch, direction or connection → another text', () => {
  const texts = [
    aboutConnection(receiver, sender, 1),
    aboutConnection({ ...receiver, agent: 'decode-1' }, sender, 1),
    aboutConnection({ ...receiver, epoch: 'e3' }, sender, 1),
    aboutConnection(receiver, { ...sender, agent: 'prefill-1' }, 1),
    aboutConnection(receiver, { ...sender, epoch: 'e3' }, 1),
    aboutConnection(receiver, sender, 2),
    aboutConnection(sender, receiver, 1),
    aboutConnection({ agent: 'decode-0","e1', epoch: '' }, sender, 1),
  ];
  expect(new Set(texts).size).toBe(texts.length);
  expect(aboutConnection({ ...receiver }, { ...sender }, 1)).toBe(texts[0]);
});
