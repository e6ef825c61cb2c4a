/** What this host must have, and may do. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's package of each program. */
const PROGRAMS = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  ip: 'iproute2',
  tc: 'iproute2',
  python3: 'python3',
  'nats-server': 'nats-server',
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** The words before a command that runs in namespaces of its own. With it end all processes and networks in them. */
export function inNamespaces(): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return ['unshare', ...asRoot, '--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child'];
}

/** Why the cases cannot run on this host, or undefined. */
export function whyImpossible(root: string, env: Environment): string | undefined {
  if (process.platform !== 'linux') return `network namespaces are of Linux; this is ${process.platform}`;
  const missing = Object.entries(PROGRAMS).filter(
    ([name]) => spawnSync(name, ['--version'], { env }).error !== undefined,
  );
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(', ');
    const packages = [...new Set(missing.map(([, debian]) => debian))].join(' ');
    return `missing: ${names}; run as root: apt-get install ${packages}`;
  }
  if (!existsSync(join(root, 'build/Release/kvferry_native.node'))) {
    return 'the native addon is not built; npm run build:native shows why';
  }
  const link = 'ip link add probe type veth && tc qdisc add dev probe root tbf rate 1mbit burst 10kb latency 1ms';
  return whyRefused('mount -t tmpfs tmpfs /dev/shm', env) ?? whyRefused(link, env);
}

function whyRefused(script: string, env: Environment): string | undefined {
  const [command = '', ...args] = [...inNamespaces(), 'sh', '-c', script];
  const { status, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
  if (status === 0) return undefined;
  return `namespaces are not possible here: ${script}: ${stderr.trim()}; run as root, or in a privileged container`;
}
