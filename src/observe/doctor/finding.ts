/** What `kvferry doctor` finds. */

/** From harmless to not. Only a `problem` makes the command fail. */
export const severities = ['ok', 'note', 'warning', 'problem'] as const;
export type Severity = (typeof severities)[number];

/** What a finding is about, in the order in which they are shown. */
export const groups = ['program', 'fabric', 'memory', 'machine', 'network', 'nats', 'agents', 'throughput'] as const;
export type Group = (typeof groups)[number];

export interface Finding {
  readonly group: Group;
  /** Which check found it; stable, for scripts. */
  readonly check: string;
  readonly severity: Severity;
  /** For people. */
  readonly finding: string;
  /** What to do about it. Every warning and every problem has one. */
  readonly remedy?: string;
}

/** Makes the findings of one check. */
export class Findings {
  readonly #group: Group;
  readonly #check: string;

  constructor(group: Group, check: string) {
    this.#group = group;
    this.#check = check;
  }

  ok(finding: string): Finding {
    return { group: this.#group, check: this.#check, severity: 'ok', finding };
  }

  note(finding: string, remedy?: string): Finding {
    const found = { group: this.#group, check: this.#check, severity: 'note', finding } as const;
    return remedy === undefined ? found : { ...found, remedy };
  }

  warning(finding: string, remedy: string): Finding {
    return { group: this.#group, check: this.#check, severity: 'warning', finding, remedy };
  }

  problem(finding: string, remedy: string): Finding {
    return { group: this.#group, check: this.#check, severity: 'problem', finding, remedy };
  }
}
