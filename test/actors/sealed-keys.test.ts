/** P31, T28: remote keys between agents: who reads a message, a journal or a status cannot use what is in it. */
import { expect, onTestFinished, test } from 'vitest';
import type { AgentPorts } from '../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../src/actors/env/agent-options.js';
import type { RequestOptions } from '../../src/ports/control.js';
import { ForwardingControl } from '../../src/ports/forwarding-control.js';
import { secretsOf } from '../../src/proof/simulation/simulated-agent.js';
import { aboutConnection } from '../../src/protocol/connection-parties.js';
import type { PeerReply, PeerRequest } from '../../src/protocol/peer-messages.js';
import { operationOf } from '../../src/protocol/subjects.js';
import { SealingFabric } from '../../src/sealing/sealing-fabric.js';
import { Cluster } from './support.js';

interface Exchange {
  readonly question: PeerRequest<'connect'>;
  readonly answer: PeerReply<'connect'>;
}

/** A stranger reads what prefill-0 asks and is answered, and may change the answers to `connect`. */
class Overheard extends Cluster {
  readonly bodies: string[] = [];
  readonly connects: Exchange[] = [];
  change = (answer: string) => answer;

  protected override decorated(ports: AgentPorts, { role }: AgentOptions): AgentPorts {
    if (role === 'decode') return ports;
    const cluster = this;
    class OverheardControl extends ForwardingControl {
      override async request(subject: string, body: string, options: RequestOptions): Promise<string> {
        const answer = await super.request(subject, body, options);
        cluster.bodies.push(body, answer);
        if (operationOf(subject) !== 'connect') return answer;
        cluster.connects.push({ question: JSON.parse(body), answer: JSON.parse(answer) });
        return cluster.change(answer);
      }
    }
    return { ...ports, control: new OverheardControl(ports.control) };
  }
}

async function overheard(): Promise<Overheard> {
  const made = new Overheard();
  onTestFinished(() => made.stop());
  await made.agent('decode-0', 'decode');
  await made.agent('prefill-0', 'prefill');
  await made.segment('prefill-0', 'engine', ['k0', 'k1']);
  return made;
}

test('P31, T28: another process reads the answer to connect → it cannot use it', async () => {
  const made = await overheard();
  await made.put('prefill-0', 'r1', ['k0']);
  expect(await made.ended('r1')).toMatchObject({ end: 'ready' });
  expect(made.connects).toHaveLength(1);
  const { question, answer } = made.connects[0] as Exchange;
  const stranger = new SealingFabric(made.fabrics.open('stranger'), secretsOf('stranger'));
  const { endpoints, epoch } = await made.call('decode-0', 'describe', {});
  const about = aboutConnection(
    { agent: 'decode-0', epoch },
    { agent: 'prefill-0', epoch: question.epoch },
    question.connection,
  );
  const connecting = stranger.connect(endpoints[0] as (typeof endpoints)[0], answer.grant, { timeoutMs: 1000, about });
  await expect(connecting).rejects.toMatchObject({ code: 'connection_failed' });
});

test('P31, T28: no message, journal or status has a remote key in the clear', async () => {
  const made = await overheard();
  await made.put('prefill-0', 'r1', ['k0', 'k1']);
  await made.ended('r1');
  const shown = [
    ...made.bodies,
    ...(await Promise.all(
      ['decode-0', 'prefill-0'].flatMap((agent) => [
        made.call(agent, 'status', {}),
        made.call(agent, 'journal', {}),
        made.call(agent, 'inspect', {}),
      ]),
    )),
  ];
  expect(JSON.stringify(shown)).toContain('memory-decode-0-');
  expect(JSON.stringify(shown)).not.toContain('token of');
});

test('T28: the answer to connect is changed on its way → the request fails', async () => {
  const made = await overheard();
  made.change = (text) => {
    const answer: PeerReply<'connect'> = JSON.parse(text);
    return JSON.stringify({ ...answer, grant: { ...answer.grant, arenaBytes: 2 * answer.grant.arenaBytes } });
  };
  await made.put('prefill-0', 'r1', ['k0']);
  expect(await made.ended('r1')).toMatchObject({
    end: 'failed',
    reason: { code: 'connection_failed', message: expect.stringContaining('the remote key cannot be opened') },
  });
  made.change = (answer) => answer;
  await made.put('prefill-0', 'r2', ['k1'], { first: 1 });
  expect(await made.ended('r2')).toMatchObject({ end: 'ready' });
});
