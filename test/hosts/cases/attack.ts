/** A third host that attacks the ports of decode agents while others transfer. */
import { fileURLToPath } from 'node:url';
import { ChildProcess } from '../../../src/processes/child-process.js';
import { within } from '../../../src/processes/within.js';
import type { AttackOrder, AttackReport } from '../attacker.js';
import type { Host } from '../network/host.js';
import { Pair } from '../pair.js';
import { type HostsRun, Site } from '../site.js';
import { expect, type HostsCase } from './hosts-case.js';

const ATTACKER = fileURLToPath(new URL('../attacker.js', import.meta.url));
const PORTS = { clear: 20_001, encrypted: 20_002 } as const;
const ATTACK_MS = 8_000;
const STOP_TIMEOUT_MS = 20_000;
const CONNECTIONS_MIN = 2_000;
const GROWTH_BYTES_MAX = 50 * 1024 ** 2;
const CHUNKS = 4;

export const attack: HostsCase = {
  name: 'a third host floods the ports of decode agents → others transfer right bytes, memory stays bounded',
  async run(run) {
    await using site = new Site(run);
    const [sender, receiver] = [await site.host('prefill'), await site.host('decode')];
    const target = (port: number, encryption: string) =>
      site.agent(receiver, 'decode', ['--tcp-port', `${port}`, '--tcp-encryption', encryption]);
    await using clear = await Pair.of(site, site.agent(sender, 'prefill'), target(PORTS.clear, 'off'));
    const encrypted = await clear.withDecode(target(PORTS.encrypted, 'required'));
    const pairs = [clear, encrypted];
    for (const pair of pairs) await pair.move({ requests: 4, chunks: CHUNKS });

    const before = pairs.map(({ decode }) => decode.anonymousBytes());
    const growth = () => Math.max(...pairs.map(({ decode }, index) => decode.anonymousBytes() - (before[index] ?? 0)));
    const attacker = startAttacker(await site.host('attacker'), receiver);
    const untilMs = performance.now() + ATTACK_MS;
    let moved = 0;
    while (performance.now() < untilMs) {
      for (const pair of pairs) await pair.move({ requests: 1, chunks: CHUNKS });
      moved += pairs.length;
      run.tally.rssGrowthBytes = Math.max(run.tally.rssGrowthBytes, growth());
    }
    // An agent that must connect while the attack goes on.
    await using late = await Pair.of(site, site.agent(sender, 'prefill'), clear.decode);
    await late.move({ requests: 2, chunks: CHUNKS });
    judge(run, await stopAttacker(attacker), moved);
    for (const pair of [...pairs, late]) await pair.settled();
  },
};

function startAttacker(host: Host, victim: Host): ChildProcess {
  const order: AttackOrder = { host: victim.address('data'), ports: Object.values(PORTS) };
  const [command = '', ...args] = host.command(process.execPath, ATTACKER, JSON.stringify(order));
  return new ChildProcess({ name: 'attacker', command, args, channel: true });
}

async function stopAttacker(attacker: ChildProcess): Promise<AttackReport> {
  const reported = new Promise<AttackReport>((resolve) => attacker.process.once('message', resolve));
  attacker.process.send('stop');
  const report = await within(
    STOP_TIMEOUT_MS,
    'the attacker does not stop',
    Promise.race([reported, attacker.failure()]),
  );
  await attacker.kill();
  return report;
}

function judge({ tally, say }: HostsRun, report: AttackReport, moved: number): void {
  const connections = Object.values(report).reduce((sum, count) => sum + count, 0);
  tally.attackConnections += connections;
  say(`  ${connections} connections of attackers: ${JSON.stringify(report)}; ${moved} requests moved meanwhile`);
  expect(connections >= CONNECTIONS_MIN, `only ${connections} connections of attackers`);
  const idle = Object.keys(report).filter((kind) => report[kind as keyof AttackReport] === 0);
  expect(idle.length === 0, `no connection of the kinds ${idle.join(', ')}`);
  expect(tally.rssGrowthBytes <= GROWTH_BYTES_MAX, `an agent grew by ${tally.rssGrowthBytes} bytes`);
}
