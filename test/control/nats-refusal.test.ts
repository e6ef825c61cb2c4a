/** What the log and a refused program say about a NATS server that cannot be used. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { refusalOf } from '../../src/control/nats-refusal.js';

const access = { ca: '/keys/ca.pem' };
const NOW = '2031-05-06T07:08:09.000Z';

test.each([
  ['CERT_HAS_EXPIRED', `renew the server's certificate, unless the clock of this host is wrong: it says ${NOW}`],
  [
    'CERT_NOT_YET_VALID',
    `the clock of this host says ${NOW}: set it right, or that of the host that made the certificate`,
  ],
])('a certificate that is not valid now (%s) → the remedy names the clock', async (code, remedy) => {
  vi.useFakeTimers({ now: new Date(NOW), toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const refused = Object.assign(new Error('the reason'), { code });
  expect(await refusalOf(refused, [], access)).toBe(`the reason: ${remedy}`);
});
