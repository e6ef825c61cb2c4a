/** Runs one attack beside an honest request, and observes what came of both. */
import type { Attack } from './attack.js';
import { Attacker } from './attacker.js';
import type { Cluster } from './cluster/cluster.js';
import { Victim } from './honest/victim.js';
import type { Observed } from './judge.js';

export const NOBODY = 'nobody';

export async function runAttack(attack: Attack, number: number, cluster: Cluster): Promise<Observed> {
  const attackers: Attacker[] = [];
  const contained: string[] = [];
  const attackerAs = async (user: string) => {
    const attacker = await Attacker.connect(user, cluster.deployment.credentialsOf(user));
    attackers.push(attacker);
    return attacker;
  };
  const effects: string[] = [];
  const victim = await Victim.start(cluster, number, attack.victim ?? { tenant: 'default' });
  try {
    const attacker = attack.by === NOBODY ? Attacker.unconnected() : await attackerAs(attack.by);
    if (attackers.length === 0) attackers.push(attacker);
    const stage = { cluster, attacker, victim, attackerAs, contained: (how: string) => void contained.push(how) };
    const reached = await attack.run(stage);
    if (reached !== undefined) effects.push(reached);
  } finally {
    for (const attacker of attackers) await attacker.close();
    effects.push(...(await victim.finish()));
  }
  effects.push(...(await cluster.damage()));
  const refusals = attackers.flatMap((attacker) => attacker.refusals);
  return { attack: attack.name, by: attack.by, refusals, contained, effects };
}
