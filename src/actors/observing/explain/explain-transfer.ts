/** Explains one transfer, from its actor while it runs, and from the journal after its end. */
import { aboutOf, type JournalEvent } from '../journal.js';
import { describeEnd, type Finding, findingOf, isOf, type Sources } from './finding.js';

export function explainTransfer({ actors, clock, journal }: Sources, transfer: string): Finding[] {
  const actor = `transfer ${transfer}`;
  const isThis = (event: JournalEvent) => event.kind === 'state' && event.of.actor === actor;
  const [running] = actors.matching((identity) => identity.actor === actor);
  const last = journal.last(isThis);
  const about = running?.identity.about ?? (last === undefined ? undefined : aboutOf(last));
  if (about === undefined) return [];
  const common = {
    about: 'transfer' as const,
    name: transfer,
    isInTrail: (event: JournalEvent) => isOf(event, about) && (isThis(event) || aboutOf(event).batch === about.batch),
  };
  if (running !== undefined) return [{ ...findingOf(running.row(), actor, 'sender'), ...common }];
  if (last?.kind !== 'state') return [];
  const agoMs = clock.now() - last.atMs;
  const summary = describeEnd(`Transfer ${transfer}`, last.to, agoMs, last.reason);
  return [{ ...common, side: 'sender', state: last.to, inStateMs: agoMs, summary }];
}
