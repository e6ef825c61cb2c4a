/** One forbidden act: who tries it, what it tries, and how its effect is measured. */
import type { Attacker } from './attacker.js';
import type { Cluster } from './cluster/cluster.js';
import type { Victim, VictimPlan } from './honest/victim.js';

export interface Attack {
  /** What the attacker tries to reach. */
  readonly name: string;
  /** The user whose credentials the attacker has. `nobody` has none. */
  readonly by: string;
  /** The honest request that is under way meanwhile. Default: of the tenant `default`, from prefill-0 to decode-0. */
  readonly victim?: VictimPlan;
  /** Resolves with what the attacker has reached, or with nothing. The victim is judged by itself. */
  run(stage: Stage): Promise<string | undefined>;
}

export interface Stage {
  readonly cluster: Cluster;
  readonly attacker: Attacker;
  readonly victim: Victim;
  /** More attackers, with the credentials of others. They are closed after the attack. */
  attackerAs(user: string): Promise<Attacker>;
  /** The attack was neither refused nor of any effect, because what it reached is the attacker's own. */
  contained(how: string): void;
}
