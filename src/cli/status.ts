/** `kvferry status`: who is there, what they hold, and what is under way. */
import { Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import type { KvferryClient } from '../client/kvferry-client.js';
import { redactCredentials } from '../config/agent-config.js';
import { KvferryError } from '../protocol/errors.js';
import { STATUS_ROWS_MAX } from '../protocol/limits.js';
import type { OperationReply } from '../protocol/operations.js';
import { DEFAULT_NATS_URL } from './nats-option.js';
import { numberBetween } from './option-parsers.js';
import { renderTable } from './table.js';
import type { Terminal } from './terminal.js';

type Status = OperationReply<'status'>;

/** Requests listed for each agent, unless `--limit` says otherwise. */
const REQUESTS_SHOWN = 20;
const MS_PER_S = 1000;

interface StatusFlags {
  readonly nats?: string;
  readonly json?: true;
  readonly request?: string;
  readonly limit: number;
}

export function statusCommand(terminal: Terminal): Command {
  return new Command('status')
    .description('Show agents, their arenas, peers and requests.')
    .option('--nats <url>', `NATS server [KVFERRY_NATS_URL] (default ${DEFAULT_NATS_URL})`)
    .option('--json', 'as one JSON array, one element for each agent')
    .option('--request <id>', 'only this request')
    .addOption(
      new Option('--limit <rows>', 'requests shown for each agent')
        .argParser(numberBetween(0, STATUS_ROWS_MAX))
        .default(REQUESTS_SHOWN),
    )
    .action(async (flags: StatusFlags) => {
      const servers = flags.nats ?? (terminal.env.KVFERRY_NATS_URL || DEFAULT_NATS_URL);
      const client = await connectClient({ servers, name: 'kvferry status' });
      try {
        const statuses = await askAll(client, flags);
        if (statuses.length === 0) {
          const message = `no agent answers at ${redactCredentials(servers)}; start one with: kvferry agent`;
          throw new KvferryError('no_responders', message);
        }
        terminal.out(flags.json ? JSON.stringify(statuses) : renderStatuses(statuses));
        if (flags.request !== undefined && statuses.every(({ requests }) => requests.length === 0)) {
          throw new KvferryError('unknown_request', `no agent knows request ${flags.request}`);
        }
      } finally {
        await client.close();
      }
    });
}

async function askAll(client: KvferryClient, flags: StatusFlags): Promise<Status[]> {
  const agents = await client.discover();
  return Promise.all(
    agents.map(({ agent }) =>
      client.status(agent, { limit: flags.limit, ...(flags.request === undefined ? {} : { request: flags.request }) }),
    ),
  );
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
        seconds(uptimeMs),
        ...(pages === undefined
          ? ['-', '-', '-', '-', '-', '-', '-']
          : [
              ...[pages.total, pages.free, pages.writing, pages.ready, pages.retained],
              pages.quarantined === 0 ? 0 : `${pages.quarantined} for ${seconds(quarantineAgeMs ?? 0)}`,
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
      seconds(row.ageMs),
      row.reason === undefined ? '-' : `${row.reason.code}: ${row.reason.message}`,
    ]),
  );
  if (requests.length > 0) {
    sections.push(renderTable(['AGENT', 'SIDE', 'REQUEST', 'STATE', 'BATCHES', 'CHUNKS', 'AGE', 'REASON'], requests));
  }
  return sections.join('\n\n');
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / MS_PER_S).toFixed(1)}s`;
}
