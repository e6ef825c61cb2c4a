/** Answers every request on `bench.echo.<bytes>` with that many bytes. Ends with its parent. */
import { connectNats } from '../../src/control/nats-control.js';
import { operationOf } from '../../src/protocol/subjects.js';

const control = await connectNats({ servers: process.env['BENCH_NATS_URL'] ?? '', name: 'kvferry bench echo' });
const answers = new Map<string, string>();
control.subscribe('bench.echo.*', ({ subject, respond }) => {
  const bytes = operationOf(subject);
  const answer = answers.get(bytes) ?? ' '.repeat(Number(bytes));
  answers.set(bytes, answer);
  respond(answer);
});
await control.flush();
process.on('message', () => process.send?.({ ok: true, answer: 'listening' }));
process.once('SIGTERM', () => process.exit());
process.once('disconnect', () => process.exit());
