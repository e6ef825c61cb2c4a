/** `kvferry status`: agents, their arenas and peers, and the requests in progress. */
import { setTimeout as pause } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import type { KvferryClient } from '../client/kvferry-client.js';
import { redactCredentials } from '../config/nats-fields.js';
import { formatBytes, roundAge } from '../figures/units.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { STATUS_ROWS_MAX } from '../protocol/limits.js';
import type { OperationReply } from '../protocol/operations.js';
import { addNatsOptions, type NatsFlags, type NatsPlace, natsPlace } from './nats-option.js';
import { duration, numberBetween } from './option-parsers.js';
import { printableLines } from './printable.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

type Status = OperationReply<'status'>;

/** Rows of each list that are shown for each agent by default. */
const ROWS_SHOWN = 20;
const STATUS_TIMEOUT_MS = 2000;
/** `--wait` takes no longer than this. */
const WAIT_MS_MAX = 600_000;
/** Between two attempts of `--wait`. */
const ATTEMPT_INTERVAL_MS = 200;

interface StatusFlags extends NatsFlags {
  readonly json?: true;
  /** Names; none means every agent. */
  readonly agent: readonly string[];
  readonly wait?: number;
  readonly request?: string;
  readonly limit: number;
}

interface Answers {
  readonly statuses: readonly Status[];
  /** One for each agent that did not answer. */
  readonly failures: readonly KvferryError[];
}

export function statusCommand(terminal: Terminal): Command {
  return addNatsOptions(new Command('status').description('Show agents, their arenas, peers and requests.'))
    .option('--json', 'print one JSON array with one element for each agent')
    .addOption(
      new Option('--agent <name>', 'show only this agent; repeat it for several')
        .argParser((name, names: readonly string[]) => [...names, name])
        .default([], 'every agent'),
    )
    .option('--request <id>', 'show only this request')
    .option(
      '--wait <time>',
      'try again for so long until NATS and every named agent (without --agent: one agent) answer',
      duration(0, WAIT_MS_MAX),
    )
    .addOption(
      new Option('--limit <rows>', 'most peers and requests shown for each agent')
        .argParser(numberBetween(0, STATUS_ROWS_MAX))
        .default(ROWS_SHOWN),
    )
    .action(async (flags: StatusFlags) => {
      const { statuses, failures } = await askUntilAnswered(natsPlace(flags, terminal.env), flags);
      const [failure] = failures;
      if (statuses.length > 0) terminal.out(flags.json ? JSON.stringify(statuses) : renderStatuses(statuses));
      for (const each of failures.slice(1)) terminal.err(`kvferry: ${printableLines(each.message)} [${each.code}]`);
      if (failure !== undefined) throw failure;
      if (flags.request !== undefined && statuses.every(({ requests }) => requests.length === 0)) {
        throw new KvferryError('unknown_request', `no agent knows request ${flags.request}`);
      }
    });
}

/** Asks once, or with `--wait` until there is no failure or the time is over. */
async function askUntilAnswered(nats: NatsPlace, flags: StatusFlags): Promise<Answers> {
  const endMs = performance.now() + (flags.wait ?? 0);
  for (;;) {
    const answers = await askOnce(nats, flags);
    if (answers.failures.length === 0 || performance.now() >= endMs) return answers;
    await pause(ATTEMPT_INTERVAL_MS);
  }
}

/** Has a failure also when NATS cannot be reached, or no agent answers. */
async function askOnce(nats: NatsPlace, flags: StatusFlags): Promise<Answers> {
  try {
    const client = await connectClient({ ...nats, name: 'kvferry status' });
    try {
      const answers = await askAll(client, flags);
      if (answers.statuses.length > 0 || answers.failures.length > 0) return answers;
      const message = `no agent answers at ${redactCredentials(nats.servers)}; start one with: kvferry agent`;
      return { statuses: [], failures: [new KvferryError('no_responders', message)] };
    } finally {
      await client.close();
    }
  } catch (error) {
    if (isKvferryError(error, 'disconnected')) return { statuses: [], failures: [error] };
    throw error;
  }
}

/** An agent that does not answer does not hide the answers of the others. */
async function askAll(client: KvferryClient, { agent, request, limit }: StatusFlags): Promise<Answers> {
  const agents = agent.length === 0 ? (await client.discover()).map((found) => found.agent) : agent;
  const input = { limit, ...(request === undefined ? {} : { request }) };
  const answers = await Promise.all(
    agents.map(async (name) => {
      try {
        return await client.status(name, input, { timeoutMs: STATUS_TIMEOUT_MS });
      } catch (error) {
        if (isKvferryError(error, 'deadline_exceeded', 'no_responders')) return notAnswering(name, error);
        throw error;
      }
    }),
  );
  return {
    statuses: answers.filter((answer): answer is Status => !(answer instanceof KvferryError)),
    failures: answers.filter((answer) => answer instanceof KvferryError),
  };
}

function notAnswering(agent: string, cause: KvferryError): KvferryError {
  const how =
    cause.code === 'no_responders' ? 'is not connected to NATS' : `does not answer within ${STATUS_TIMEOUT_MS} ms`;
  return new KvferryError(cause.code, `agent ${agent} ${how}`, { cause });
}

function renderStatuses(statuses: readonly Status[]): string {
  const sections = [
    renderTable(
      [
        'AGENT',
        'ROLE',
        'EPOCH',
        'STATE',
        'UPTIME',
        'PAGES',
        'FREE',
        'WRITING',
        'READY',
        'RETAINED',
        'QUARANTINED',
        'RESERVED',
        'QUEUED',
      ],
      statuses.map(({ agent, role, epoch, state, uptimeMs, pages, quarantineAgeMs, queued }) => [
        agent,
        role,
        epoch,
        state,
        roundAge(uptimeMs),
        ...(pages === undefined
          ? ['-', '-', '-', '-', '-', '-', '-']
          : [
              ...[pages.total, pages.free, pages.writing, pages.ready, pages.retained],
              pages.quarantined === 0 ? 0 : `${pages.quarantined} for ${roundAge(quarantineAgeMs ?? 0)}`,
              pages.reserved,
            ]),
        queued,
      ]),
    ),
  ];
  const peers = statuses.flatMap(({ agent, peers: rows }) =>
    rows.map((peer) => [
      agent,
      peer.side,
      peer.agent,
      peer.epoch,
      peer.state,
      peer.detail ?? peer.provider ?? '-',
      peer.fallback.join('; ') || '-',
    ]),
  );
  if (peers.length > 0) {
    sections.push(renderTable(['AGENT', 'PEER IS', 'PEER', 'EPOCH', 'STATE', 'PROVIDER', 'NOT TAKEN'], peers));
  }
  sections.push(...sourceTables(statuses));
  const requests = statuses.flatMap(({ agent, requests: rows }) =>
    rows.map((row) => [
      agent,
      row.side,
      row.request,
      row.end ?? row.state,
      row.batches ?? '-',
      row.chunks ?? '-',
      roundAge(row.ageMs),
      row.reason === undefined ? '-' : `${row.reason.code}: ${row.reason.message}`,
    ]),
  );
  if (requests.length > 0) {
    sections.push(renderTable(['AGENT', 'SIDE', 'REQUEST', 'STATE', 'BATCHES', 'CHUNKS', 'AGE', 'REASON'], requests));
  }
  const hidden = statuses.flatMap(hiddenRows);
  if (hidden.length > 0) sections.push(hidden.join('\n'));
  return sections.join('\n\n');
}

/** Sessions of engines, and segments whose file is gone. */
function sourceTables(statuses: readonly Status[]): string[] {
  const tables: string[] = [];
  const sessions = statuses.flatMap(({ agent, sessions: rows }) =>
    rows.map((row) => [
      ...[agent, row.session, row.holder, row.state, roundAge(row.silentForMs)],
      ...[row.order, row.requests, row.segments, row.stagingPages, row.chunksInUse],
    ]),
  );
  if (sessions.length > 0) {
    const held = ['ORDERS', 'REQUESTS', 'SEGMENTS', 'STAGING', 'CHUNKS IN USE'];
    tables.push(renderTable(['AGENT', 'SESSION', 'ENGINE', 'STATE', 'SILENT FOR', ...held], sessions));
  }
  const removed = statuses.flatMap(({ agent, segments }) =>
    segments.flatMap(({ segment, path = '', bytes, chunksInUse, removedMs }) =>
      removedMs === undefined ? [] : [[agent, segment, path, formatBytes(bytes), chunksInUse, roundAge(removedMs)]],
    ),
  );
  if (removed.length > 0) {
    tables.push(renderTable(['AGENT', 'SEGMENT', 'FILE THAT IS GONE', 'SIZE', 'CHUNKS IN USE', 'GONE FOR'], removed));
  }
  return tables;
}

/** How many rows of an agent are not shown. */
function hiddenRows({ agent, peers, peersTotal, requests, requestsTotal }: Status): string[] {
  const more = [
    [peersTotal - peers.length, 'peers'],
    [requestsTotal - requests.length, 'requests'],
  ] as const;
  const texts = more.filter(([count]) => count > 0).map(([count, what]) => `${count} more ${what}`);
  return texts.length === 0 ? [] : [`${agent} has ${texts.join(' and ')}: see --limit`];
}
