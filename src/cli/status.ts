/** `kvferry status`: who is there, what they hold, and what is under way. */
import { Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import type { KvferryClient } from '../client/kvferry-client.js';
import { redactCredentials } from '../config/agent-config.js';
import { roundAge } from '../figures/units.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import { STATUS_ROWS_MAX } from '../protocol/limits.js';
import type { OperationReply } from '../protocol/operations.js';
import { DEFAULT_NATS_URL } from './nats-option.js';
import { numberBetween } from './option-parsers.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

type Status = OperationReply<'status'>;

/** Requests listed for each agent, unless `--limit` says otherwise. */
const REQUESTS_SHOWN = 20;
const STATUS_TIMEOUT_MS = 2000;

interface StatusFlags {
  readonly nats?: string;
  readonly json?: true;
  readonly agent?: string;
  readonly request?: string;
  readonly limit: number;
}

interface Answers {
  readonly statuses: readonly Status[];
  /** Why others who are there gave none. */
  readonly failures: readonly KvferryError[];
}

export function statusCommand(terminal: Terminal): Command {
  return new Command('status')
    .description('Show agents, their arenas, peers and requests.')
    .option('--nats <url>', `NATS server [KVFERRY_NATS_URL] (default ${DEFAULT_NATS_URL})`)
    .option('--json', 'print one JSON array with one element per agent')
    .option('--agent <name>', 'show only this agent')
    .option('--request <id>', 'show only this request')
    .addOption(
      new Option('--limit <rows>', 'show at most this many requests per agent')
        .argParser(numberBetween(0, STATUS_ROWS_MAX))
        .default(REQUESTS_SHOWN),
    )
    .action(async (flags: StatusFlags) => {
      const servers = flags.nats ?? (terminal.env.KVFERRY_NATS_URL || DEFAULT_NATS_URL);
      const client = await connectClient({ servers, name: 'kvferry status' });
      try {
        const { statuses, failures } = await askAll(client, flags);
        const [failure] = failures;
        if (statuses.length === 0 && failure === undefined) {
          const message = `no agent answers at ${redactCredentials(servers)}; start one with: kvferry agent`;
          throw new KvferryError('no_responders', message);
        }
        if (statuses.length > 0) terminal.out(flags.json ? JSON.stringify(statuses) : renderStatuses(statuses));
        for (const each of failures.slice(1)) terminal.err(`kvferry: ${each.message} [${each.code}]`);
        if (failure !== undefined) throw failure;
        if (flags.request !== undefined && statuses.every(({ requests }) => requests.length === 0)) {
          throw new KvferryError('unknown_request', `no agent knows request ${flags.request}`);
        }
      } finally {
        await client.close();
      }
    });
}

/** One agent that does not answer takes nobody else's answer away. */
async function askAll(client: KvferryClient, { agent, request, limit }: StatusFlags): Promise<Answers> {
  const agents = agent === undefined ? (await client.discover()).map((found) => found.agent) : [agent];
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
  const how = cause.code === 'no_responders' ? 'is not there' : `does not answer within ${STATUS_TIMEOUT_MS} ms`;
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
  const requests = statuses.flatMap(({ agent, requests: rows }) =>
    rows.map((row) => [
      agent,
      row.side,
      row.request,
      row.end ?? row.state,
      row.batches,
      row.chunks,
      roundAge(row.ageMs),
      row.reason === undefined ? '-' : `${row.reason.code}: ${row.reason.message}`,
    ]),
  );
  if (requests.length > 0) {
    sections.push(renderTable(['AGENT', 'SIDE', 'REQUEST', 'STATE', 'BATCHES', 'CHUNKS', 'AGE', 'REASON'], requests));
  }
  return sections.join('\n\n');
}
