/** The lines of one side of an agent to those who lead the ranks of its requests: none outlives the agent. */
import { type HolderId, nameOf } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { RankLink, type RankLinkListener, type RankLinkTask } from './rank-link.js';

export class RankLinks {
  readonly #env: AgentEnv;
  readonly #links = new Map<string, RankLink>();

  constructor(env: AgentEnv) {
    this.#env = env;
  }

  /** Takes the place of the one before, if the rank had one. */
  open(task: RankLinkTask, listener: RankLinkListener): RankLink {
    const name = nameOf(task.holder);
    this.#links.get(name)?.close();
    const link = new RankLink(this.#env, task, listener, () => {
      if (this.#links.get(name) === link) this.#links.delete(name);
    });
    this.#links.set(name, link);
    return link;
  }

  /** Is the word about that rank's request still waited for? */
  isWaiting(holder: HolderId): boolean {
    return this.#links.get(nameOf(holder))?.isOver === false;
  }

  close(): void {
    for (const link of [...this.#links.values()]) link.close();
  }
}
