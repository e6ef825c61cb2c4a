/**
 * NATS in memory: one network, any number of participants, time from the injected clock. `fate` decides what happens to
 * each message, so a test can lose, repeat or delay exactly the messages it chooses. As in NATS, a participant that is not
 * connected is not subscribed: a request to it is answered `no_responders` at once.
 */
import type { ClockPort } from '../../ports/clock.js';
import type {
  ControlMessage,
  ControlPort,
  ControlStatus,
  ControlSubscription,
  RequestAllOptions,
  RequestOptions,
} from '../../ports/control.js';
import { KvferryError } from '../../protocol/errors.js';
import { type MessageHeaders, sendableHeaders } from '../../protocol/headers.js';
import { MESSAGE_BYTES_MAX } from '../../protocol/limits.js';

/** A message as its sender passes it to the network. */
interface Letter {
  readonly subject: string;
  readonly body: string;
  readonly headers?: MessageHeaders | undefined;
}

export interface Envelope extends Letter {
  readonly from: string;
  readonly to: string;
  readonly kind: 'message' | 'reply';
  /** Of a reply: the body of the request, and when it was sent. */
  readonly question?: string;
  readonly askedMs?: number;
}

/** How often a message is delivered (0: lost), and after which delay. */
export interface Fate {
  readonly copies: number;
  readonly delayMs: number;
}

interface SentRequest extends Letter {
  readonly askedMs: number;
}

interface Subscriber {
  readonly owner: MemoryControl;
  readonly pattern: readonly string[];
  readonly handler: (message: ControlMessage) => void;
}

const delivered: Fate = { copies: 1, delayMs: 0 };

export class MemoryControlNetwork {
  readonly clock: ClockPort;
  /** Decides about every message and every answer. Default: delivered once, at once. */
  fate: (envelope: Envelope) => Fate = () => delivered;
  /** Bytes of the largest message, as `max_payload` of NATS. */
  messageBytesMax = MESSAGE_BYTES_MAX;
  /** Whether the server of `from` knows what `to` subscribes to. False while the route between their servers is down. */
  interest: (from: string, to: string) => boolean = () => true;
  /** Calls `pass` when the server of a participant moves messages: now, or after it has stood still. */
  gate: (participant: string, pass: () => void) => void = (_, pass) => pass();
  /** A participant gives its connection up, and dials a server again. */
  reconnect: (participant: string) => void = () => undefined;
  /** Called when the process of `to` reads a message or a reply. */
  read: (envelope: Envelope) => void = () => undefined;
  /** Called when a request reaches no subscriber. */
  unheard: (from: string, subject: string) => void = () => undefined;
  readonly #subscribers = new Set<Subscriber>();

  constructor(clock: ClockPort) {
    this.clock = clock;
  }

  connect(name: string): MemoryControl {
    return new MemoryControl(this, name);
  }

  /** Used by participants. */
  add(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Throws `message_too_large`. */
  checkSize(subject: string, body: string): void {
    const bytes = Buffer.byteLength(body);
    if (bytes <= this.messageBytesMax) return;
    const message = `message to ${subject} has ${bytes} bytes, the limit is ${this.messageBytesMax}`;
    throw new KvferryError('message_too_large', message);
  }

  /** Sends a message to every matching subscriber, and returns their number. */
  send(from: string, letter: Letter, respond: (responder: string, body: string) => void): number {
    const { subject, body } = letter;
    const headers = sendableHeaders(letter.headers, this.messageBytesMax - Buffer.byteLength(body));
    const tokens = subject.split('.');
    const listeners: Subscriber[] = [];
    for (const subscriber of this.#subscribers) {
      const { owner, pattern } = subscriber;
      if (matches(pattern, tokens) && owner.isConnected && this.interest(from, owner.name)) listeners.push(subscriber);
    }
    for (const { owner, handler } of listeners) {
      const answer = (text: string) => {
        this.checkSize(subject, text);
        respond(owner.name, text);
      };
      this.deliver({ from, to: owner.name, subject, body, headers, kind: 'message' }, owner, () =>
        handler({ subject, body, headers, respond: answer }),
      );
    }
    return listeners.length;
  }

  /** Brings a message or a reply to the process of `to`, which reads it. */
  deliver(envelope: Envelope, to: MemoryControl, read: () => void): void {
    const { copies, delayMs } = this.fate(envelope);
    const arrive = () => {
      if (!to.isConnected) return;
      to.arrive(() => {
        this.read(envelope);
        read();
      });
    };
    for (let copy = 0; copy < copies; copy += 1) {
      this.clock.setTimeout(() => this.gate(envelope.to, arrive), delayMs);
    }
  }

  /** Brings the answer of `from` to the participant that asked. It is lost if no route leads there. */
  reply(from: string, to: MemoryControl, request: SentRequest, answer: string, read: () => void): void {
    if (!this.interest(from, to.name)) return;
    const { subject, body: question, askedMs } = request;
    const envelope = { from, to: to.name, subject, body: answer, kind: 'reply', question, askedMs } as const;
    this.gate(from, () => this.deliver(envelope, to, read));
  }
}

export class MemoryControl implements ControlPort {
  readonly name: string;
  readonly #network: MemoryControlNetwork;
  readonly #unsubscribe = new Set<() => void>();
  readonly #listeners: ((status: ControlStatus) => void)[] = [];
  /** Rejects each open request when the port is closed. */
  readonly #waiting = new Set<(error: KvferryError) => void>();
  #state: 'connected' | 'disconnected' | 'closed' = 'connected';
  /** Number of messages that the process has read. */
  reads = 0;
  /** Arrivals while the process is stopped. Undefined while it runs. */
  #unread: (() => void)[] | undefined;

  constructor(network: MemoryControlNetwork, name: string) {
    this.#network = network;
    this.name = name;
  }

  get messageBytesMax(): number {
    return this.#network.messageBytesMax;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  /** Cuts or restores the connection to the network. */
  setConnected(connected: boolean): void {
    if (this.#state === 'closed') return;
    this.#state = connected ? 'connected' : 'disconnected';
    for (const listener of this.#listeners) listener(this.#state);
  }

  /** Stops its process as SIGSTOP does: the process reads nothing. */
  stop(): void {
    this.#unread ??= [];
  }

  /** Continues its process as SIGCONT does: the process reads the arrivals of the meantime, in order. */
  resume(): void {
    const unread = this.#unread ?? [];
    this.#unread = undefined;
    for (const read of unread) this.arrive(read);
  }

  /** Used by the network: the process reads an arrival, now or when it continues. */
  arrive(read: () => void): void {
    if (this.#unread !== undefined) {
      this.#unread.push(read);
      return;
    }
    this.reads += 1;
    read();
  }

  request(subject: string, body: string, { timeoutMs, headers }: RequestOptions): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#check(subject, body);
      const { clock } = this.#network;
      if (this.#state === 'disconnected') throw new KvferryError('disconnected', `${subject}: not connected`);
      const finish = (settle: () => void) => {
        clock.clearTimeout(timer);
        this.#waiting.delete(refuse);
        settle();
      };
      const refuse = (error: KvferryError) => finish(() => reject(error));
      const timer = clock.setTimeout(
        () =>
          this.arrive(() =>
            refuse(new KvferryError('deadline_exceeded', `${subject}: no answer within ${timeoutMs} ms`)),
          ),
        timeoutMs,
      );
      this.#waiting.add(refuse);
      const letter = { subject, body, headers, askedMs: clock.now() };
      this.#network.gate(this.name, () => {
        const listeners = this.#network.send(this.name, letter, (from, answer) =>
          this.#network.reply(from, this, letter, answer, () => finish(() => resolve(answer))),
        );
        if (listeners > 0) return;
        this.#network.unheard(this.name, subject);
        refuse(new KvferryError('no_responders', `no subscriber on ${subject}`));
      });
    });
  }

  requestAll(subject: string, body: string, { timeoutMs, answersMax }: RequestAllOptions): Promise<string[]> {
    return new Promise((resolve) => {
      this.#check(subject, body);
      if (this.#state === 'disconnected') throw new KvferryError('disconnected', `${subject}: not connected`);
      const answers: string[] = [];
      const letter = { subject, body, askedMs: this.#network.clock.now() };
      this.#network.gate(this.name, () => {
        const listeners = this.#network.send(this.name, letter, (from, answer) =>
          this.#network.reply(from, this, letter, answer, () => {
            if (answers.push(answer) === answersMax) resolve(answers);
          }),
        );
        if (listeners === 0) resolve(answers);
        else this.#network.clock.setTimeout(() => resolve(answers), timeoutMs);
      });
    });
  }

  publish(subject: string, body: string, headers?: MessageHeaders): void {
    this.#check(subject, body);
    if (!this.isConnected) return;
    this.#network.gate(this.name, () => this.#network.send(this.name, { subject, body, headers }, () => undefined));
  }

  subscribe(subject: string, handler: (message: ControlMessage) => void): ControlSubscription {
    this.#check(subject, '');
    const remove = this.#network.add({ owner: this, pattern: subject.split('.'), handler });
    this.#unsubscribe.add(remove);
    return {
      close: () => {
        remove();
        this.#unsubscribe.delete(remove);
      },
    };
  }

  onStatus(listener: (status: ControlStatus) => void): void {
    this.#listeners.push(listener);
  }

  reconnect(): void {
    this.#network.reconnect(this.name);
  }

  async flush(): Promise<void> {
    this.#check('flush', '');
  }

  /** Ends its process as SIGKILL does: it sends nothing, receives nothing, and no request of it settles. */
  die(): void {
    this.#waiting.clear();
    this.#state = 'closed';
    this.#unsubscribeAll();
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    const closed = new KvferryError('closed', `${this.name} was closed`);
    for (const refuse of [...this.#waiting]) refuse(closed);
    this.#unsubscribeAll();
  }

  #unsubscribeAll(): void {
    for (const remove of this.#unsubscribe) remove();
    this.#unsubscribe.clear();
  }

  #check(subject: string, body: string): void {
    if (this.#state === 'closed') throw new KvferryError('closed', `${subject}: ${this.name} is closed`);
    this.#network.checkSize(subject, body);
  }
}

/** NATS's matching: `*` is one token, a last `>` is one or more. It begins at the end, where most subjects differ. */
function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  const isOpen = pattern[pattern.length - 1] === '>';
  const length = isOpen ? pattern.length - 1 : pattern.length;
  if (isOpen ? tokens.length <= length : tokens.length !== length) return false;
  for (let index = length - 1; index >= 0; index -= 1) {
    const part = pattern[index];
    if (part !== '*' && part !== tokens[index]) return false;
  }
  return true;
}
