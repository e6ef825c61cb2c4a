/** Why a fabric cannot use the endpoint of another agent, as far as the endpoint shows it. */
import { expect, onTestFinished, test } from 'vitest';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import { nativeStatus } from '../../src/native/native-status.js';

test.skipIf(!nativeStatus().addon).each([
  ['same-host', 'another-boot:1:2:3', 'the receiver runs on another host'],
  ['tcp', 'kvferry-tcp-2:7f:1:0', 'the receiver has kvferry-tcp-2, and this agent has kvferry-tcp-1'],
  ['tcp', '', 'the receiver has none, and this agent has kvferry-tcp-1'],
  ['verbs', 'verbs:1', 'this agent does not use it (--provider)'],
] as const)('the endpoint of %s is "%s" → the reason is given', async (provider, address, reason) => {
  const fabric = await openNativeFabric({ providers: ['same-host', 'tcp'] });
  onTestFinished(() => fabric.close());
  expect(fabric.unreachable({ provider, detail: '', address })).toBe(reason);
});
