/** Files that an agent must not open for an engine. */
import { execFileSync } from 'node:child_process';
import { chownSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { subjects } from '../../../src/protocol/subjects.js';
import type { Attack, Stage } from '../attack.js';
import { engineOf, TENANTS } from '../users.js';

const NOBODY_UID = 65_534;
const sender = engineOf('prefill-0', 'default');

/** Attaching these must be refused with a code, and no byte of them may be sent. */
function forbidden(
  name: string,
  pathsOf: (stage: Stage) => Promise<readonly string[]> | readonly string[],
  by = sender,
): Attack {
  return {
    name,
    by,
    async run(stage) {
      const { attacker, victim } = stage;
      const tenant = TENANTS.find((one) => by.endsWith(one)) ?? 'default';
      for (const path of await pathsOf(stage)) {
        const attach = subjects.operation(victim.prefill, tenant, 'attach');
        const answer = await attacker.ask(attach, { segment: 'stolen', path });
        if (answer.kind === 'accepted') {
          await attacker.ask(subjects.operation(victim.prefill, tenant, 'detach'), { segment: 'stolen' });
          return `${path} was attached`;
        }
        if (answer.kind === 'silence' || answer.by === 'internal') return `${path}: ${JSON.stringify(answer)}`;
      }
      return undefined;
    },
  };
}

export const confine: readonly Attack[] = [
  forbidden('read files of the system', () => ['/etc/passwd', '/etc/shadow', '/etc/hostname', '/root/.bashrc']),
  forbidden('read the memory and the environment of processes', () => [
    ...['/proc/self/environ', '/proc/self/mem', '/proc/self/exe', '/proc/kcore', '/proc/1/maps', '/dev/mem'],
  ]),
  forbidden('open a device, a directory or something that is not there', () => [
    ...['/dev/zero', '/dev/random', '/dev/tty', '/dev/shm', '/tmp', '/nonexistent'],
  ]),
  forbidden('read a file of the system through a symbolic link in shared memory', ({ cluster, victim }) => {
    const path = join(cluster.memory, `link-${victim.request}`);
    symlinkSync('/etc/passwd', path);
    return [path, join(cluster.memory, '..', '..', '..', 'etc', 'passwd'), `${cluster.memory}/../../../etc/passwd`];
  }),
  forbidden('read the credentials of the agent', ({ cluster }) => [
    join(cluster.deployment.directory, 'users/prefill-0.creds'),
    join(cluster.deployment.directory, 'users/operator.creds'),
  ]),
  forbidden('open a pipe, or a file that is reached through a linked directory, in shared memory', (stage) => {
    const { memory, deployment } = stage.cluster;
    const [pipe, linked] = ['pipe', 'linked'].map((name) => join(memory, `${name}-${stage.victim.request}`));
    execFileSync('mkfifo', [pipe as string]);
    symlinkSync(join(deployment.directory, 'users'), linked as string);
    return [pipe as string, join(linked as string, 'operator.creds')];
  }),
  forbidden('read a file of another user in shared memory', ({ cluster, victim }) => {
    // Only root can make such a file. Everybody else finds those of root.
    if (process.geteuid?.() !== 0) return ['/dev/shm/../../etc/passwd'];
    const path = join(cluster.memory, `foreign-${victim.request}`);
    writeFileSync(path, 'secret', { mode: 0o644 });
    chownSync(path, NOBODY_UID, NOBODY_UID);
    return [path];
  }),
  forbidden(
    'read the arena of a decode agent on the same host, with the pages of all tenants',
    async ({ cluster, victim }) => {
      const { arena } = await (await cluster.router(victim.tenant)).describe(victim.decode, { tenant: victim.tenant });
      return [arena?.path ?? ''];
    },
  ),
  forbidden('read the arena of a decode agent through a symbolic link', async ({ cluster, victim }) => {
    const { arena } = await (await cluster.router(victim.tenant)).describe(victim.decode, { tenant: victim.tenant });
    const path = join(cluster.memory, `arena-${victim.request}`);
    symlinkSync(arena?.path ?? '', path);
    return [path];
  }),
  forbidden('read the staging memory of the agent, with the pages of other engines', async ({ cluster, victim }) => {
    const { staging } = await (await cluster.router(victim.tenant)).describe(victim.prefill, { tenant: victim.tenant });
    return [staging?.path ?? ''];
  }),
  forbidden('read a file of another user in shared memory through its name in /proc', ({ cluster }) => {
    writeFileSync(join(cluster.memory, 'secret'), 'secret', { mode: 0o600 });
    return [
      `/proc/self/root${cluster.memory}/secret`,
      `/proc/${cluster.pidOf('decode-0')}/root${cluster.memory}/secret`,
    ];
  }),
];
