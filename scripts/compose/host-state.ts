/** What a Docker engine could leave on its host. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { controlGroups } from './control-groups.js';
import { runProgram } from './run-program.js';

export interface HostState {
  /** `docker0`, and bridges of Docker's networks. */
  readonly bridges: readonly string[];
  /** Chains and rules that name Docker. */
  readonly rules: readonly string[];
  /** Policy of the chain FORWARD. */
  readonly forwarding: string;
  /** Whether the kernel forwards packets. */
  readonly ipForward: string;
  readonly controlGroups: readonly string[];
  readonly mounts: readonly string[];
  readonly processes: readonly string[];
  readonly sharedMemory: readonly string[];
}

const BRIDGE = /^(docker0|br-[0-9a-f]{12})$/;

/** `places`: folders of the engine. `agents`: names of agents in its containers. */
export async function hostState(places: readonly string[], agents: readonly string[] = []): Promise<HostState> {
  const { stdout } = await runProgram('iptables-save', []);
  const rules = stdout.split('\n');
  const mentions = (text: string) => places.some((place) => text.includes(place));
  return {
    bridges: readdirSync('/sys/class/net').filter((name) => BRIDGE.test(name)),
    rules: rules.filter((rule) => rule.includes('DOCKER')),
    forwarding: rules.find((rule) => rule.startsWith(':FORWARD'))?.split(' ')[1] ?? 'ACCEPT',
    ipForward: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim(),
    controlGroups: places.flatMap((place) => controlGroups(basename(place))),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(mentions),
    processes: runningCommands().filter(mentions),
    sharedMemory: readdirSync('/dev/shm').filter((file) => agents.some((agent) => file.includes(agent))),
  };
}

/** What is there after and was not before, and what has changed, in words. */
export function leftovers(before: HostState, after: HostState): string[] {
  const lists = ['bridges', 'rules', 'controlGroups', 'mounts', 'processes', 'sharedMemory'] as const;
  const settings = ['forwarding', 'ipForward'] as const;
  return [
    ...lists.flatMap((list) =>
      after[list].filter((each) => !before[list].includes(each)).map((each) => `${list}: ${each}`),
    ),
    ...settings
      .filter((setting) => before[setting] !== after[setting])
      .map((setting) => `${setting}: ${before[setting]} has become ${after[setting]}`),
  ];
}

/** The command line of each process but this one. */
function runningCommands(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)
    .map((pid) => join('/proc', pid, 'cmdline'))
    .flatMap((file) => {
      try {
        return existsSync(file) ? [readFileSync(file, 'utf8').replaceAll('\0', ' ')] : [];
      } catch {
        // The process has ended since.
        return [];
      }
    });
}
