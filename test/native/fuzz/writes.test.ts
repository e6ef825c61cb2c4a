/** Random writes of two senders at once, and faults of one of them. A plain loop says which bytes may be where. */
import { afterAll, describe, expect, test } from 'vitest';
import type { FabricConnection, FabricGrant, FabricPort, FabricWrite } from '../../../src/ports/fabric.js';
import { DeviceHarness } from '../../contract/device/device-harness.js';
import { StandIn } from '../../contract/device/stand-in.js';
import type { FabricHarness } from '../../contract/fabric/fabric-harness.js';
import { Fabrics } from '../../contract/fabric/fabrics.js';
import { nativeHarness, testedProviders, whyNot } from '../../contract/native-harness.js';
import { pattern } from '../../contract/pattern.js';
import { Chance, PATIENCE_MS, seeds } from './chance.js';
import { Slot, type Source } from './random-writes.js';

const ROUNDS = 6;
const TURNS_MAX = 12;
const SLOT_BYTES = 1_500_000;
const SLOTS = 4;
const SOURCE_BYTES = [70_001, 2_500_003];

/** What befalls one sender, and how its writes may end. */
const ends = {
  none: ['delivered'],
  stop: ['delivered', 'stopped'],
  revoke: ['delivered', 'write_rejected'],
  close: ['delivered', 'connection_lost'],
  shrink: ['delivered', 'segment_invalid'],
  detach: ['delivered'],
} as const;
type Fault = keyof typeof ends;
const faults = Object.keys(ends) as Fault[];

const standIn = new StandIn();
afterAll(() => standIn.close());

const small = { sliceBytes: 65_536, windowBytes: 200_000 };
const harnesses: readonly (readonly [name: string, create: () => FabricHarness, isOnDevice: boolean])[] = [
  ...testedProviders(['same-host', 'tcp', 'libfabric-tcp', 'net'])
    .filter((provider) => whyNot(provider) === undefined)
    .flatMap((provider) => [
      [provider, () => nativeHarness(provider), false] as const,
      [`${provider}, small slices`, () => nativeHarness(provider, small), false] as const,
    ]),
  ['tcp, 4 streams', () => nativeHarness('tcp', { ...small, tcpStreams: 4, tcpEncryption: 'required' }), false],
  ...DeviceHarness.shapes.map(
    ({ segments, arena }) =>
      [
        `same-host, from ${segments} to ${arena}`,
        () => new DeviceHarness({ engine: standIn.engine, segments, arena }),
        true,
      ] as const,
  ),
];

describe.each(harnesses)('random writes: %s', (_, create, isOnDevice) => {
  const fabrics = new Fabrics(create, isOnDevice);

  test('P5, P29: with faults → every byte is the right one', { timeout: PATIENCE_MS }, async () => {
    for (const seed of seeds()) await (await Storm.open(fabrics, seed)).run();
  });
});

interface Sender {
  readonly name: string;
  readonly fabric: FabricPort;
  readonly slots: readonly Slot[];
  sources: Source[];
  grant: FabricGrant;
  connection: FabricConnection;
}

interface Running {
  readonly sender: Sender;
  readonly slot: Slot;
  readonly write: FabricWrite;
}

class Storm {
  readonly #fabrics: Fabrics;
  readonly #receiver: Awaited<ReturnType<Fabrics['openReceiver']>>;
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #senders: Sender[] = [];
  #files = 0;

  static async open(fabrics: Fabrics, seed: number): Promise<Storm> {
    const receiver = await fabrics.openReceiver({ pageBytes: SLOT_BYTES, pages: SLOTS });
    const storm = new Storm(fabrics, receiver, seed);
    for (const first of [0, 2]) {
      const fabric = await fabrics.open();
      const slots = [first, first + 1].map((slot) => new Slot(slot * SLOT_BYTES, SLOT_BYTES));
      const sender = { name: `sender ${first}`, fabric, slots, sources: [], ...(await fabrics.join(fabric, receiver)) };
      storm.#senders.push(sender);
      await storm.#attach(sender);
    }
    return storm;
  }

  private constructor(fabrics: Fabrics, receiver: Awaited<ReturnType<Fabrics['openReceiver']>>, seed: number) {
    this.#fabrics = fabrics;
    this.#receiver = receiver;
    this.#seed = seed;
    this.#chance = new Chance(seed);
  }

  async run(): Promise<void> {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const fault = this.#chance.pick(faults.filter((each) => each !== 'shrink' || !this.#fabrics.onDevice));
      await this.#round(fault, `seed ${this.#seed}, round ${round}: ${fault}`);
    }
  }

  async #round(fault: Fault, about: string): Promise<void> {
    const victim = this.#chance.pick(this.#senders);
    const running = this.#senders.flatMap((sender) => sender.slots.map((slot) => this.#begin(sender, slot)));
    for (let turns = this.#chance.integer(0, TURNS_MAX); turns > 0; turns -= 1) await nextTurn();
    const mend = await this.#strike(fault, victim, running);
    const fenced = fault === 'revoke' || fault === 'close' ? this.#arena() : undefined;
    const outcomes = await Promise.all(running.map(({ write }) => write.done));
    const arena = this.#arena();
    for (const [index, { sender, slot }] of running.entries()) {
      const outcome = outcomes[index] as (typeof outcomes)[number];
      const isVictim = sender === victim;
      const end = outcome.status === 'failed' ? outcome.code : outcome.status;
      expect(isVictim ? ends[fault] : ends.none, `${about}, ${JSON.stringify(outcome)}`).toContain(end);
      if (end === 'delivered') expect(outcome.bytes, about).toBe(slot.length);
      expect(slot.wrongByte(arena, outcome, isVictim && fault === 'shrink'), `${about}, ${end}`).toBeUndefined();
      const range = (bytes: Uint8Array) => bytes.subarray(slot.offset, slot.offset + slot.bytes);
      if (isVictim && fenced) expect(Buffer.compare(range(fenced), range(arena)), about).toBe(0);
      slot.settle(arena);
    }
    await mend();
  }

  #begin(sender: Sender, slot: Slot): Running {
    slot.plan(this.#chance, sender.sources);
    return { sender, slot, write: slot.write(sender.connection) };
  }

  /** Resolves with what makes the sender whole again. */
  async #strike(fault: Fault, victim: Sender, running: readonly Running[]): Promise<() => Promise<void>> {
    switch (fault) {
      case 'none':
        return async () => undefined;
      case 'stop':
        for (const { sender, write } of running) if (sender === victim) write.stop();
        return async () => undefined;
      case 'close':
        await victim.connection.close();
        await this.#receiver.fabric.revoke(victim.grant.id);
        return () => this.#join(victim);
      case 'revoke':
        await this.#receiver.fabric.revoke(victim.grant.id);
        return () => this.#join(victim);
      case 'shrink': {
        const { path, bytes } = this.#chance.pick(victim.sources);
        this.#fabrics.harness.truncate(path, this.#chance.integer(1, bytes.length - 1));
        return async () => {
          for (const { name } of victim.sources) await victim.fabric.detachSegment(name);
          await this.#attach(victim);
        };
      }
      case 'detach': {
        const detached = Promise.all(victim.sources.map(({ name }) => victim.fabric.detachSegment(name)));
        return async () => {
          await detached;
          await this.#attach(victim);
        };
      }
    }
  }

  async #join(sender: Sender): Promise<void> {
    Object.assign(sender, await this.#fabrics.join(sender.fabric, this.#receiver));
  }

  async #attach(sender: Sender): Promise<void> {
    sender.sources = [];
    for (const size of SOURCE_BYTES) {
      this.#files += 1;
      const name = `${sender.name} ${this.#files}`;
      const bytes = pattern(`${this.#seed} ${name}`, size);
      sender.sources.push({ name, bytes, path: await this.#fabrics.attach(sender.fabric, name, bytes) });
    }
  }

  #arena(): Uint8Array {
    return this.#fabrics.harness.readFile(this.#receiver.path);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
