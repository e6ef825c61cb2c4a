/** One explanation as text. */
import type { Explanation, JournalEntry } from '../../protocol/observation.js';
import { shownKey } from '../../protocol/shown-text.js';
import { printable } from '../printable.js';
import { renderTable } from '../table.js';

/** The explanation of one agent. */
export interface AgentExplanation extends Explanation {
  readonly agent: string;
}

const MS_PER_S = 1000;

export function renderExplanation(explanation: AgentExplanation): string {
  const { agent, about, name, side, state, summary, waiting, holders, holdersTotal, trail } = explanation;
  const title = `${about} ${about === 'key' ? shownKey(name) : name} at ${agent} (${side}): ${state}`;
  const lines = [printable(title), `  ${printable(summary)}`];
  if (waiting !== undefined) lines.push(`  gate: ${waiting.gate}`);
  if (waiting?.endsInMs !== undefined) lines.push(`  deadline: in ${seconds(waiting.endsInMs)}`);
  if (holders.length > 0) {
    const rows = holders.map(({ request, epoch, holds, pages, endsInMs }) => [
      ...['  ', `${epoch}/${request}`, holds, pages],
      endsInMs === undefined ? '-' : seconds(endsInMs),
    ]);
    lines.push(`  holders (${holders.length} of ${holdersTotal}):`);
    lines.push(renderTable(['  ', 'REQUEST', 'HOLDS', 'PAGES', 'UNTIL'], rows));
  }
  if (trail.length > 0) {
    const lastMs = trail.at(-1)?.atMs ?? 0;
    const rows = trail.map((entry) => ['  ', `-${seconds(lastMs - entry.atMs)}`, entryWho(entry), entryText(entry)]);
    lines.push('  trail (time before its last entry):', renderTable(['  ', 'WHEN', 'WHO', 'WHAT'], rows));
  }
  return lines.join('\n');
}

function entryWho(entry: JournalEntry): string {
  switch (entry.kind) {
    case 'state':
      return entry.actor;
    case 'message':
      return entry.peer ?? '-';
    case 'store':
      return entry.request === undefined ? 'store' : `store, for ${entry.epoch}/${entry.request}`;
  }
}

function entryText(entry: JournalEntry): string {
  switch (entry.kind) {
    case 'state': {
      const cause = entry.event === '' ? 'started' : `${entry.event}: ${entry.from}`;
      const reason = entry.reason === undefined ? '' : ` (${entry.reason.code}: ${entry.reason.message})`;
      return `${cause} → ${entry.to}${reason}`;
    }
    case 'message': {
      const took = entry.tookMs === undefined ? '' : `, ${entry.tookMs.toFixed(2)} ms`;
      const code = entry.code === undefined ? '' : `, ${entry.code}`;
      return `${entry.direction === 'in' ? 'received' : 'sent'} ${entry.operation}${took}${code}`;
    }
    case 'store': {
      const more = entry.chunks > entry.keys.length && entry.keys.length > 0 ? ', …' : '';
      const keys = entry.keys.length === 0 ? '' : `: ${entry.keys.map(shownKey).join(', ')}${more}`;
      const pages = entry.pages === undefined || entry.pages.length === 0 ? '' : ` at page ${entry.pages.join(', ')}`;
      const detail = entry.detail === undefined || entry.detail === '' ? '' : ` (${entry.detail})`;
      return `${entry.action} ${entry.chunks} chunks${keys}${pages}${detail}`;
    }
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / MS_PER_S).toFixed(3)} s`;
}
