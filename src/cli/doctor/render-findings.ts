/** Findings as text: by group, with colours for severities, and remedies below. */
import { type Finding, type Group, groups, type Severity, severities } from '../../observe/doctor/finding.js';
import { printable } from '../printable.js';

export interface RenderOptions {
  readonly colours: boolean;
  /** Width at which lines wrap; undefined: no wrapping. */
  readonly columns?: number | undefined;
}

const titles: Readonly<Record<Group, string>> = {
  program: 'Program',
  fabric: 'Fabric',
  memory: 'Memory',
  machine: 'Machine',
  network: 'Network',
  nats: 'NATS',
  agents: 'Agents',
  throughput: 'Throughput',
};
const labels: Readonly<Record<Severity, string>> = { ok: 'ok', note: 'note', warning: 'WARNING', problem: 'PROBLEM' };
/** Codes of "Select Graphic Rendition". */
const styles: Readonly<Record<Severity | 'title', number>> = { ok: 32, note: 36, warning: 33, problem: 31, title: 1 };

const INDENT = '  ';
const LABEL_WIDTH = Math.max(...Object.values(labels).map((label) => label.length)) + INDENT.length;
const REMEDY = '→ ';
/** A narrower terminal wraps the lines itself. */
const COLUMNS_MIN = 40;

export function renderFindings(findings: readonly Finding[], options: RenderOptions): string {
  const style = (name: Severity | 'title', text: string) =>
    options.colours ? `\u001B[${styles[name]}m${text}\u001B[0m` : text;
  const hanging = ' '.repeat(INDENT.length + LABEL_WIDTH);
  const lines: string[] = [];
  for (const group of groups) {
    const inGroup = findings.filter((finding) => finding.group === group);
    if (inGroup.length === 0) continue;
    lines.push(style('title', titles[group]));
    for (const { severity, finding, remedy } of inGroup) {
      const [first = '', ...rest] = wrap(printable(finding), options.columns, hanging.length);
      const label = labels[severity];
      lines.push(`${INDENT}${style(severity, label)}${' '.repeat(LABEL_WIDTH - label.length)}${first}`);
      lines.push(...rest.map((line) => `${hanging}${line}`));
      if (remedy === undefined) continue;
      const remedyLines = wrap(printable(remedy), options.columns, hanging.length + REMEDY.length);
      lines.push(...remedyLines.map((line, at) => `${hanging}${at === 0 ? REMEDY : ' '.repeat(REMEDY.length)}${line}`));
    }
    lines.push('');
  }
  lines.push(summary(findings));
  return lines.join('\n');
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return severities
    .toReversed()
    .map((severity) => ({ severity, number: count(severity) }))
    .filter(({ number }) => number > 0)
    .map(({ severity, number }) => `${number} ${severity}${severity === 'ok' || number === 1 ? '' : 's'}`)
    .join(', ');
}

function wrap(text: string, columns: number | undefined, indent: number): string[] {
  if (columns === undefined || columns < COLUMNS_MIN) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns - indent) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
