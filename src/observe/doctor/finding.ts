/** The findings of `kvferry doctor`. */

/** From harmless to serious. Only a `problem` makes the command fail. */
export const severities = ['ok', 'note', 'warning', 'problem'] as const;
export type Severity = (typeof severities)[number];

/** The subject of a finding, in the order of display. */
export const groups = ['program', 'fabric', 'memory', 'machine', 'network', 'nats', 'agents', 'throughput'] as const;
export type Group = (typeof groups)[number];

export interface Finding {
  readonly group: Group;
  /** The name of the check; stable, for scripts. */
  readonly check: string;
  readonly severity: Severity;
  /** Text for human readers. */
  readonly finding: string;
  /** What to do. Every warning and every problem has a remedy. */
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
