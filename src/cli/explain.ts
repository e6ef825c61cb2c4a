/** `kvferry explain`: why a request, transfer, key or page waits, until when, who holds it, and its recent events. */
import { Command, Option } from 'commander';
import { connectClient } from '../client/connect-client.js';
import type { KvferryClient } from '../client/kvferry-client.js';
import { redactCredentials } from '../config/nats-fields.js';
import { isKvferryError, KvferryError } from '../protocol/errors.js';
import type { OperationReply } from '../protocol/operations.js';
import { type AgentExplanation, renderExplanation } from './explain/render.js';
import { addNatsOptions, type NatsFlags, natsPlace } from './nats-option.js';
import type { Terminal } from './terminal.js';

const kinds = ['request', 'transfer', 'key', 'page'] as const;
type Kind = (typeof kinds)[number];

interface ExplainFlags extends NatsFlags {
  readonly json?: true;
  readonly agent?: string;
}

const examples = `
Examples:
  kvferry explain request prompt-17
  kvferry explain transfer 9f1c6a2be07d4453/prompt-17/0
  kvferry explain key model@1@0@5f3a
  kvferry explain page 12 --agent decode-0`;

export function explainCommand(terminal: Terminal): Command {
  const command = new Command('explain')
    .description(
      'Explain why a request, transfer, key or page waits: for what, until when, who holds it, and its recent events.',
    )
    .argument('<kind>', `${kinds.join(', ')}`)
    .argument('<name>', 'a request id, <epoch>/<request>/<batch> for a transfer, a key, or a page number');
  return addNatsOptions(command)
    .option('--agent <id>', 'ask only this agent')
    .addOption(new Option('--json', 'print the explanations as one JSON array'))
    .addHelpText('after', examples)
    .action(async (kind: string, name: string, flags: ExplainFlags) => {
      const query = queryOf(kind, name);
      const nats = natsPlace(flags, terminal.env);
      const client = await connectClient({ ...nats, name: 'kvferry explain' });
      try {
        const agents = flags.agent === undefined ? await namesOfAll(client) : [flags.agent];
        if (agents.length === 0) {
          const message = `no agent answers at ${redactCredentials(nats.servers)}; start one with: kvferry agent`;
          throw new KvferryError('no_responders', message);
        }
        const found = await askAll(client, agents, query);
        if (flags.json) terminal.out(JSON.stringify(found));
        else if (found.length > 0) terminal.out(found.map(renderExplanation).join('\n\n'));
        if (found.length === 0) {
          throw new KvferryError('unknown_request', `no agent knows ${kind} ${name}; asked: ${agents.join(', ')}`);
        }
      } finally {
        await client.close();
      }
    });
}

function queryOf(kind: string, name: string): Parameters<KvferryClient['explain']>[1] {
  if (!kinds.includes(kind as Kind)) {
    throw new KvferryError(
      'invalid_field',
      `cannot explain ${JSON.stringify(kind)}; the kinds are ${kinds.join(', ')}`,
      { field: 'kind' },
    );
  }
  if (kind !== 'page') return { [kind]: name };
  if (!/^\d{1,9}$/.test(name))
    throw new KvferryError('invalid_field', `${JSON.stringify(name)} is not a page number`, { field: 'name' });
  return { page: Number(name) };
}

async function namesOfAll(client: KvferryClient): Promise<string[]> {
  return (await client.discover()).map(({ agent }) => agent);
}

async function askAll(
  client: KvferryClient,
  agents: readonly string[],
  query: Parameters<KvferryClient['explain']>[1],
): Promise<AgentExplanation[]> {
  const answers = await Promise.all(agents.map((agent) => ask(client, agent, query)));
  return answers.flatMap((answer) =>
    (answer?.explanations ?? []).map((explanation) => ({ agent: answer?.agent ?? '', ...explanation })),
  );
}

/** Undefined when the agent has just ended. Other agents may know the answer. */
async function ask(
  client: KvferryClient,
  agent: string,
  query: Parameters<KvferryClient['explain']>[1],
): Promise<OperationReply<'explain'> | undefined> {
  try {
    return await client.explain(agent, query);
  } catch (error) {
    if (isKvferryError(error, 'no_responders', 'deadline_exceeded')) return undefined;
    throw error;
  }
}
