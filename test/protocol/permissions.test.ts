/** T28: the rights of each role, which `kvferry keys` puts into the configuration of NATS. */
import { describe, expect, test } from 'vitest';
import { type NatsRole, rightsOf, roles, rolesThatPublish } from '../../src/protocol/permissions.js';
import { operations, peerOperations, subjects } from '../../src/protocol/subjects.js';

const K = 'kvferry.v2';

describe('the rights of roles', () => {
  test('an observer → asks for all tenants, listens, and changes nothing', () => {
    expect(rightsOf('observer')).toEqual({
      publish: [
        `${K}.agent.*._all.describe`,
        `${K}.agent.*._all.explain`,
        `${K}.agent.*._all.inspect`,
        `${K}.agent.*._all.journal`,
        `${K}.agent.*._all.status`,
        `${K}.agent.*.default.describe`,
        `${K}.discover`,
      ],
      subscribe: ['_INBOX_client.{{name()}}.>', `${K}.audit.*`, `${K}.event.>`, `${K}.heartbeat.*`],
    });
  });

  test('a decode engine → reads at its agent, and routes and asks as its tenant', () => {
    expect(rightsOf('decode-engine', { name: 'engine-1', agent: 'decode-0', tenant: 'team-a' })).toEqual({
      publish: [
        `${K}.agent.*.team-a.cancel`,
        `${K}.agent.*.team-a.route`,
        `${K}.agent.*.team-a.sources`,
        `${K}.agent.*.team-a.status`,
        `${K}.agent.decode-0.team-a.acquire`,
        `${K}.agent.decode-0.team-a.describe`,
        `${K}.agent.decode-0.team-a.lookup`,
        `${K}.agent.decode-0.team-a.release`,
      ],
      subscribe: ['_INBOX_client.engine-1.>', `${K}.event.*.team-a.*`],
    });
  });

  test.each(roles)('a template in the rights of %s → a whole token, as NATS needs it', (role) => {
    const { publish, subscribe } = rightsOf(role);
    const tokens = [...publish, ...subscribe].flatMap((subject) => subject.split('.'));
    expect(tokens.filter((token) => token.includes('{{') && !/^\{\{[a-z()]+\}\}$/.test(token))).toEqual([]);
  });

  test('P31: agents → answer to inboxes and nowhere else; no other role answers', () => {
    const answers = (role: NatsRole) => rightsOf(role).publish.filter((subject) => subject.startsWith('_INBOX'));
    const answering = roles.filter((role) => answers(role).length > 0);
    expect(answering).toEqual(['prefill-agent', 'decode-agent', 'both-agent']);
    expect(answers('decode-agent')).toEqual(['_INBOX_agent.*.>', '_INBOX_client.*.>']);
  });

  test('what an agent publishes → has its own name where the subject says who speaks', () => {
    const own = rightsOf('both-agent', { name: 'a', agent: '', tenant: '' }).publish;
    const asked = own.filter((subject) => !/^kvferry\.v[12]\.agent\.|^_INBOX_/.test(subject));
    expect(
      asked.filter((subject) => !/\.(?:heartbeat|event|source|audit)\.a(?:\.|$)|\.a\.[a-z]+$/.test(subject)),
    ).toEqual([]);
  });

  test('every message between agents and every operation → some role may send it', () => {
    const all = roles.flatMap((role) => rightsOf(role, { name: 'x', agent: 'x', tenant: 'default' }).publish);
    const last = new Set(all.map((subject) => subject.split('.').at(-1)));
    expect([...operations, ...peerOperations].filter((operation) => !last.has(operation))).toEqual([]);
  });

  test('an operator → the rights of an observer and two more', () => {
    const [observer, operator] = [rightsOf('observer'), rightsOf('operator')];
    const more = operator.publish.filter((subject) => !observer.publish.includes(subject));
    expect(more).toEqual([`${K}.agent.*._all.cancel`, subjects.fault('*')]);
    expect(operator.subscribe).toEqual(observer.subscribe);
  });

  test.each([
    [subjects.operation('decode-0', '_all', 'status'), ['observer', 'operator', 'tester']],
    [subjects.operation('decode-0', 'team-a', 'put'), ['prefill-engine', 'tester']],
    [subjects.discover, ['router', 'observer', 'operator', 'tester']],
    [subjects.peer('decode-0', '5f0c', 'prefill-0', 'commit'), ['prefill-agent', 'both-agent']],
    [`_INBOX_client.x.y`, ['prefill-agent', 'decode-agent', 'both-agent']],
    ['elsewhere', []],
  ])('%s → the roles that may send it', (subject, senders) => {
    expect(rolesThatPublish(subject)).toEqual(senders);
  });

  test.each([
    ['prefill-agent', ['abort', 'allocate', 'commit', 'connect', 'drained', 'inquire']],
    ['decode-agent', ['admit', 'allocated', 'confirm', 'ended', 'handover', 'joined', 'prepare', 'verdict']],
  ] as const)('P31: %s → sends what agents of its side say, and what both say', (role, own) => {
    const said = rightsOf(role).publish.filter((subject) => subject.startsWith(`${K}.peer.`));
    const names = said.map((subject) => subject.slice(subject.lastIndexOf('.') + 1));
    expect(names.sort()).toEqual([...own, 'appeal', 'ping', 'report', 'yield'].sort());
  });

  test('only an operator → provokes faults and cancels for all tenants', () => {
    const sends = (subject: string) => roles.filter((role: NatsRole) => rightsOf(role).publish.includes(subject));
    expect(sends(subjects.fault('*'))).toEqual(['operator']);
    expect(sends(subjects.operation('*', '_all', 'cancel'))).toEqual(['operator']);
  });
});
