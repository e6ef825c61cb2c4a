import { describe, expect, test } from 'vitest';
import type { ControlMessage } from '../../../src/ports/control.js';
import type { WriteOutcome } from '../../../src/ports/fabric.js';
import { FailingControl } from '../../../src/proof/failpoints/failing-control.js';
import { FailingFabric } from '../../../src/proof/failpoints/failing-fabric.js';
import { parseFailpoints } from '../../../src/proof/failpoints/failpoint-spec.js';
import { Failpoints } from '../../../src/proof/failpoints/failpoints.js';
import { MemoryControlNetwork } from '../../../src/proof/simulation/memory-control.js';
import { MemoryFabricNetwork } from '../../../src/proof/simulation/memory-fabric/network.js';
import { SimulatedClock } from '../../../src/proof/simulation/simulated-clock.js';
import { subjects } from '../../../src/protocol/subjects.js';

const EPOCH = '0123456789abcdef';
const timeout = { timeoutMs: 1000 };

/** Failpoints whose signals are remembered instead of sent. */
function armed(spec: string) {
  const clock = new SimulatedClock();
  const signals: string[] = [];
  const failpoints = new Failpoints(parseFailpoints(spec), { clock, signal: (name) => void signals.push(name) });
  return { clock, signals, failpoints };
}

/** Moves simulated time on until `promise` settles. */
async function settle<T>(clock: SimulatedClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const finish = () => {
    done = true;
  };
  promise.then(finish, finish);
  await clock.until(() => done);
  return promise;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function control(spec: string) {
  const { clock, signals, failpoints } = armed(spec);
  const network = new MemoryControlNetwork(clock);
  const seen: string[] = [];
  const port = new FailingControl(network.connect('agent'), failpoints);
  return { clock, signals, seen, port, peer: network.connect('peer') };
}

async function fabric(spec: string) {
  const { clock, signals, failpoints } = armed(spec);
  const network = new MemoryFabricNetwork(clock);
  const receiver = network.open('receiver');
  await receiver.createArena({ path: '/memory/arena', pageBytes: 64, pages: 4 });
  const sender = new FailingFabric(network.open('sender'), failpoints);
  network.files.set('/memory/source', new Uint8Array(256).fill(7));
  await sender.attachSegment('engine', '/memory/source');
  const connect = async () => {
    const grant = await receiver.grant('memory');
    return settle(clock, sender.connect(receiver.endpoints()[0]!, grant, timeout));
  };
  const items = [{ segment: 'engine', sourceOffset: 0, targetOffset: 64, length: 64 }];
  const arena = () => network.files.get('/memory/arena')?.[64];
  return { clock, signals, failpoints, network, sender, receiver, connect, items, arena };
}

describe('failpoints around the control port', () => {
  const allocate = subjects.peer('peer', EPOCH, 'agent', 'allocate');

  test('a question passes four steps, on two sides', async () => {
    const asking = control('allocate.sending=kill,allocate.answered=stop,commit.sending=kill');
    asking.peer.subscribe(allocate, (message) => message.respond('yes'));
    expect(await settle(asking.clock, asking.port.request(allocate, '{}', timeout))).toBe('yes');
    expect(asking.signals).toEqual(['SIGKILL', 'SIGSTOP']);
    const answering = control('allocate.received=stop,allocate.answering=kill');
    answering.port.subscribe(allocate, (message) => message.respond('yes'));
    expect(await settle(answering.clock, answering.peer.request(allocate, '{}', timeout))).toBe('yes');
    expect(answering.signals).toEqual(['SIGSTOP', 'SIGKILL']);
  });

  test('one that acts the second time lets the first pass', async () => {
    const { clock, peer, port, signals } = control('allocate.sending=kill@2');
    peer.subscribe(allocate, (message) => message.respond('yes'));
    await settle(clock, port.request(allocate, '{}', timeout));
    expect(signals).toEqual([]);
    await settle(clock, port.request(allocate, '{}', timeout));
    await settle(clock, port.request(allocate, '{}', timeout));
    expect(signals).toEqual(['SIGKILL']);
  });

  test('a message that fails is lost: it is not sent, or its answer is not seen', async () => {
    const asking = control('allocate.sending=fail,allocate.answered=fail@1');
    let heard = 0;
    asking.peer.subscribe(allocate, (message) => {
      heard += 1;
      message.respond('yes');
    });
    await expect(settle(asking.clock, asking.port.request(allocate, '{}', timeout))).rejects.toMatchObject({
      code: 'disconnected',
    });
    expect(heard).toBe(0);
    await expect(settle(asking.clock, asking.port.request(allocate, '{}', timeout))).rejects.toMatchObject({
      code: 'disconnected',
    });
    expect(heard).toBe(1);
    expect(await settle(asking.clock, asking.port.request(allocate, '{}', timeout))).toBe('yes');
  });

  test('headers pass, in and out', async () => {
    const { clock, peer, port } = control('ended.sending=delay:1');
    const headers = { traceparent: 'x' };
    const seen: unknown[] = [];
    const see = (message: ControlMessage) => {
      seen.push(message.headers);
      message.respond('yes');
    };
    peer.subscribe('kvferry.v2.>', see);
    port.subscribe('in', see);
    await settle(clock, port.request(allocate, '{}', { ...timeout, headers }));
    port.publish(subjects.terminal('agent', 'default', 'ready'), '{}', headers);
    port.publish(subjects.peer('peer', EPOCH, 'agent', 'ended'), '{}', headers);
    peer.publish('in', '{}', headers);
    await clock.advance(1);
    expect(seen).toEqual([headers, headers, headers, headers]);
  });

  test('what is published can be lost, or come later', async () => {
    const { clock, peer, port, seen } = control('ended.sending=fail,event.publishing=delay:50');
    peer.subscribe('kvferry.v2.>', ({ subject }) => void seen.push(subject));
    const ended = subjects.peer('peer', EPOCH, 'agent', 'ended');
    const event = subjects.terminal('agent', 'default', 'ready');
    port.publish(ended, 'lost');
    port.publish(event, 'late');
    port.publish(subjects.heartbeat('agent'), 'now');
    await clock.advance(49);
    expect(seen).toEqual([subjects.heartbeat('agent')]);
    await clock.advance(1);
    expect(seen).toEqual([subjects.heartbeat('agent'), event]);
    port.publish(ended, 'again');
    await clock.advance(1);
    expect(seen.at(-1)).toBe(ended);
  });
});

describe('failpoints around the fabric port', () => {
  test('a call passes a step before and a step after it', async () => {
    const { connect, signals, sender } = await fabric('attach.done=stop,connect.starting=stop,connect.done=kill');
    await connect();
    await sender.detachSegment('engine');
    expect(signals).toEqual(['SIGSTOP', 'SIGSTOP', 'SIGKILL']);
  });

  test('a call that fails rejects with a typed error', async () => {
    const { connect } = await fabric('connect.starting=fail');
    await expect(connect()).rejects.toMatchObject({ code: 'fabric_error', message: 'failpoint connect.starting' });
    await expect(connect()).resolves.toMatchObject({ provider: 'memory' });
  });

  test('a write that is held lands later', async () => {
    const { clock, connect, items, arena } = await fabric('write.starting=delay:1000');
    const write = (await connect()).write(items);
    await clock.advance(999);
    expect(arena()).toBe(0);
    await clock.advance(1);
    expect(await settle(clock, write.done)).toEqual({ status: 'delivered', bytes: 64 });
    expect(arena()).toBe(7);
  });

  test('a gate is put before a write at run time → it waits until the gate is taken away', async () => {
    const { clock, connect, items, failpoints } = await fabric('');
    const connection = await connect();
    const waits: string[] = [];
    const release = failpoints.hold('write.starting', async () => {
      waits.push('write.starting');
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 1000));
    });
    const beganMs = clock.now();
    await settle(clock, connection.write(items).done);
    expect([clock.now() - beganMs, waits]).toEqual([1000, ['write.starting']]);
    release();
    await settle(clock, connection.write(items).done);
    expect([clock.now() - beganMs, waits]).toEqual([1000, ['write.starting']]);
  });

  test('a held write that is stopped has posted nothing', async () => {
    const { clock, connect, items, arena } = await fabric('write.starting=delay:1000');
    const write = (await connect()).write(items);
    write.stop();
    await clock.advance(1000);
    expect(await settle(clock, write.done)).toEqual({ status: 'stopped', bytes: 0, drained: true });
    expect(arena()).toBe(0);
  });

  test('a write is underway only while the fabric has it', async () => {
    const { clock, connect, items, network, signals } = await fabric('write.underway=stop');
    const connection = await connect();
    await settle(clock, connection.write(items).done);
    await turn();
    expect(signals).toEqual([]);
    const held = network.holdWrites();
    const { done } = connection.write(items);
    // One turn of the event loop in which the write begins, one in which it is underway.
    await turn();
    await turn();
    expect(signals).toEqual(['SIGSTOP']);
    held.release();
    expect(await settle(clock, done)).toEqual({ status: 'delivered', bytes: 64 });
  });

  test.each([
    ['write.starting', { bytes: 0 }],
    ['write.done', { bytes: 64 }],
  ])('a write that fails at %s says so, and that it has drained', async (name, expected) => {
    const { clock, connect, items } = await fabric(`${name}=fail`);
    const outcome: WriteOutcome = await settle(clock, (await connect()).write(items).done);
    const failure = { status: 'failed', code: 'fabric_error', drained: true, message: `failpoint ${name}` };
    expect(outcome).toEqual({ ...failure, ...expected });
  });
});
