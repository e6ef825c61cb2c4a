/** What an operator does with docker-compose.yml, and what happens to containers. Each step leaves a cluster that is well. */
import { checkContainers } from './check-containers.js';
import type { Cluster, Container } from './cluster.js';
import { checkInspector, checkMetrics } from './monitoring.js';
import type { Run } from './run.js';

/** Requests of a load during which something fails. */
const LONG_LOAD = 200;
/** Requests that have become ready when it fails. */
const UNDER_WAY = 20;

export async function runScenario(run: Run): Promise<void> {
  const { say } = run;
  const steps: readonly (readonly [what: string, step: (run: Run) => Promise<void>])[] = [
    ['up', up],
    ['the decode agent is replaced', replace],
    ['the decode agent is killed under load', kill],
    ['a prefill agent is restarted under load', roll],
    ['NATS is away, and back', loseNats],
    ['scaled to four prefill and two decode agents', scale],
    ['metrics', checkMetrics],
    ['inspector', checkInspector],
    ['down', down],
  ];
  for (const [what, step] of steps) {
    const startMs = performance.now();
    say(what);
    await step(run);
    await checkSharedMemory(run, what);
    say(`${what}: ${Math.round((performance.now() - startMs) / 1000)} s`);
  }
}

async function up({ cluster, findings }: Run): Promise<void> {
  await cluster.compose('up', '--build', '--wait');
  findings.up = true;
  findings.tls = await cluster.requiresTls();
  findings.expect(findings.tls, 'NATS takes connections without TLS');
  findings.whenWell('after up', await cluster.demo());
  // The service `keys` has ended.
  checkContainers(await cluster.containers('nats', 'prefill', 'decode'), findings);
}

async function kill({ cluster, findings }: Run): Promise<void> {
  const before = await only(cluster, 'decode');
  const load = cluster.demo('--allow-faults', '--requests', `${LONG_LOAD}`);
  findings.expect(await cluster.hasReceived(before, (await cluster.received(before)) + UNDER_WAY), 'no load ran');
  await cluster.killNode(before);
  findings.duringFault('the decode agent was killed', await load);
  findings.expect(await cluster.becomes('healthy'), 'a killed agent did not become healthy again');
  const after = await only(cluster, 'decode');
  findings.expect(
    after.Id === before.Id && after.RestartCount === before.RestartCount + 1,
    'no container was restarted',
  );
  findings.whenWell('after a kill', await cluster.demo());
}

async function roll({ cluster, findings }: Run): Promise<void> {
  const decode = await only(cluster, 'decode');
  const [first] = await cluster.containers('prefill');
  const load = cluster.demo('--allow-faults', '--requests', `${LONG_LOAD}`);
  findings.expect(await cluster.hasReceived(decode, (await cluster.received(decode)) + UNDER_WAY), 'no load ran');
  await cluster.engine.docker(['restart', '--time', '40', first?.Id ?? '']);
  findings.duringFault('a prefill agent was restarted', await load);
  findings.expect(await cluster.becomes('healthy'), 'a restarted agent did not become healthy again');
  findings.whenWell('after a restart', await cluster.demo());
}

/** A new container while the shared memory is mounted and empty must be able to create its arena. */
async function replace({ cluster, findings }: Run): Promise<void> {
  const before = await only(cluster, 'decode');
  await cluster.compose('rm', '--stop', '--force', 'decode');
  await cluster.compose('up', '--wait');
  const after = await only(cluster, 'decode');
  findings.expect(after.Id !== before.Id && after.RestartCount === 0, 'a new decode agent did not start at once');
  findings.whenWell('after a replacement', await cluster.demo());
}

async function loseNats({ cluster, findings }: Run): Promise<void> {
  const before = await cluster.agents();
  await cluster.compose('stop', 'nats');
  findings.expect(await cluster.becomes('unhealthy'), 'without NATS an agent stayed healthy');
  for (const agent of before) {
    const { status, body } = await cluster.ask(agent, '/readyz');
    findings.expect(status === 503, `without NATS /readyz answered ${status}: ${body}`);
  }
  await cluster.compose('start', 'nats');
  findings.expect(await cluster.becomes('healthy'), 'with NATS again an agent did not become healthy');
  const after = await cluster.agents();
  findings.expect(restarts(after) === restarts(before), 'an agent was restarted because NATS was away');
  findings.whenWell('after NATS was away', await cluster.demo());
}

async function scale({ cluster, findings }: Run): Promise<void> {
  await cluster.compose('up', '--wait', '--scale', 'prefill=4', '--scale', 'decode=2');
  const names = await cluster.names();
  const expected = (await cluster.agents()).map(({ Config, Name }) => `${serviceOf(Name)}-${Config.Hostname}`).sort();
  findings.agents = new Set(names).size;
  for (const name of names) findings.names.add(name);
  findings.expect(names.join() === expected.join(), `the agents are ${names}, not ${expected}`);
  findings.whenWell('scaled', await cluster.demo());
  findings.expect((await cluster.agents()).length === expected.length, 'the load changed the number of agents');
}

async function down({ cluster, findings }: Run): Promise<void> {
  await cluster.down();
  const { engine } = cluster;
  const left = {
    containers: await engine.docker(['ps', '--all', '--quiet']),
    volumes: await engine.docker(['volume', 'ls', '--quiet']),
    networks: await engine.docker(['network', 'ls', '--quiet', '--filter', 'type=custom']),
  };
  for (const [what, ids] of Object.entries(left)) findings.expect(ids.trim() === '', `down left ${what}: ${ids}`);
}

/** When no load runs, the memory that the containers share has the arena of each decode agent and nothing else. */
async function checkSharedMemory({ cluster, findings }: Run, when: string): Promise<void> {
  const [one] = await cluster.containers('prefill');
  if (one === undefined) return;
  const files = (await cluster.engine.docker(['exec', one.Id, 'ls', '/dev/shm'])).split('\n').filter(Boolean);
  const hosts = (await cluster.containers('decode')).map(({ Config }) => Config.Hostname);
  const others = files.filter((file) => !hosts.some((host) => file.startsWith(`kvferry-decode-${host}-`)));
  findings.expect(others.length === 0, `${when}: the shared memory still has ${others.join(', ')}`);
  findings.expect(files.length === hosts.length, `${when}: the shared memory has ${files.length} arenas`);
}

async function only(cluster: Cluster, service: string): Promise<Container> {
  const [container, ...others] = await cluster.containers(service);
  if (container === undefined || others.length > 0) throw new Error(`service ${service} has not one container`);
  return container;
}

function restarts(containers: readonly Container[]): number {
  return containers.reduce((sum, { RestartCount }) => sum + RestartCount, 0);
}

/** `/kvferry-test-prefill-2` → prefill */
function serviceOf(name: string): string {
  return name.split('-').at(-2) ?? '';
}
