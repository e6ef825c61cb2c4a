/** The scenarios of the page about guarantees: what the tests produce, and what must result. */

/** A situation that the tests produce, and what must hold in it. */
export interface Scenario {
  readonly number: string;
  readonly situation: string;
  readonly result: string;
}

/** Situations that the tests produce. */
export const scenarios: readonly Scenario[] = [
  {
    number: 'T1',
    situation: 'Request B shares a chunk with request A, whose write is held for a second.',
    result: 'B is not ready before the bytes of A are committed, and reads correct bytes.',
  },
  {
    number: 'T2',
    situation: 'As in T1, but A aborts, or its process is killed during the write.',
    result: 'B writes the chunk itself and completes, or fails with the reason; it is never ready without bytes.',
  },
  {
    number: 'T3',
    situation: 'The arena is full, two requests wait for the same new key, and one page becomes free.',
    result: 'One request uses the page, the other shares it, and the number of free pages is right.',
  },
  {
    number: 'T4',
    situation: 'The receiver rolls a request back, and cancel messages arrive once or several times, in any order.',
    result: 'Every lease is released once, and other requests are not affected.',
  },
  {
    number: 'T5',
    situation: 'A request is cancelled during its write.',
    result: 'Its page is not reused before the write has drained or is fenced, and neighbouring pages are unchanged.',
  },
  {
    number: 'T6',
    situation: 'A batch completes or arrives after its request was cancelled.',
    result: 'There is no ready event and no new admission; the answer is the recorded end.',
  },
  {
    number: 'T7',
    situation: 'A request waits for admission.',
    result:
      'The agent serves allocate, cancel and commit of other requests, and the waiting request meets its deadline.',
  },
  {
    number: 'T8',
    situation: 'Eight requests share a prefix of 24 chunks in an arena of 32 pages.',
    result: 'The prefix is charged once, a large request is not starved, and a repeated first batch changes nothing.',
  },
  {
    number: 'T9',
    situation: 'The sender is killed with SIGKILL at every step of the protocol.',
    result: 'All its pages and reservations are free within the lease time, and the router receives the failure.',
  },
  {
    number: 'T10',
    situation: 'The receiver is killed and restarted at every step of the protocol.',
    result: 'The sender reports a typed error before the deadline; stale handles are refused; new requests work.',
  },
  {
    number: 'T11',
    situation: 'The decode engine asks for a key that is not in the arena.',
    result: 'The answer lists the key as missing.',
  },
  {
    number: 'T12',
    situation: 'The decode engine never reads: 10,000 requests are released without acquire.',
    result: 'The number of free pages does not drift.',
  },
  {
    number: 'T13',
    situation: 'A request has four ranks, and the third fails.',
    result: 'The request ends on all four, with one failure event.',
  },
  {
    number: 'T14',
    situation: 'The last batch is empty, every chunk is deduplicated, or the prompt ends exactly on a chunk boundary.',
    result: 'There is exactly one ready event.',
  },
  {
    number: 'T15',
    situation:
      'Random traffic with failed writes, cancels, lost, repeated and reordered messages, crashes and restarts.',
    result:
      'At every step the pages add up and no page has two owners; at the end every accepted request has exactly one end.',
  },
  {
    number: 'T16',
    situation: 'Every page carries a pattern made from its key and request, at full memory pressure.',
    result: 'No byte differs, however long the test runs.',
  },
  {
    number: 'T17',
    situation: 'An engine gives a put up and uses its memory again; then the stopped agent continues.',
    result: 'No key has the bytes of another prompt. The barrier tells the engine when its memory is its own.',
  },
  {
    number: 'T18',
    situation: 'A put, and a cancel right behind it, 1,000 times.',
    result: 'The request is cancelled, or ready and known as ready. No lease is left.',
  },
  {
    number: 'T19',
    situation:
      'The answer to a hand-over is lost, the write of the heir breaks undrained, and the hand-over is repeated.',
    result: 'The page stays quarantined, and no later request reads the late bytes of the heir.',
  },
  {
    number: 'T20',
    situation: 'A NATS server stands still, a route between two servers is down, or an agent is away from NATS.',
    result: 'Every request becomes ready, once.',
  },
  {
    number: 'T21',
    situation: 'Two requests over two ranks arrive in opposite order, and each arena has room for one and a half.',
    result: 'Both are ready, one after the other.',
  },
  {
    number: 'T22',
    situation: 'An agent is rolled: the old process drains while the new one starts.',
    result: 'Every put is executed once, or refused and not executed.',
  },
  {
    number: 'T23',
    situation: 'The file of an attached segment is replaced, made smaller, filled again in place, or gets a hole.',
    result: 'The bytes that are there are sent, or the put fails with the reason.',
  },
  {
    number: 'T24',
    situation: 'The wall clock steps by an hour, either way, before and during an outage of NATS.',
    result: 'Service is back as soon as NATS is.',
  },
  {
    number: 'T25',
    situation: 'A sender with thousands of waiting requests dies, or a thousand requests fail together.',
    result: 'The agent goes on in short turns, and no peer declares it dead.',
  },
  {
    number: 'T26',
    situation:
      'RDMA runs on a kernel before or after 6.2, with many senders, or with an arena that is large beside the memory.',
    result: 'Bytes arrive, and locked memory is bounded; or the sender takes the next provider and logs the reason.',
  },
  {
    number: 'T27',
    situation:
      'A hostile program sends packets, hellos, frames and writes without a grant, floods a port, stays silent, or names a file that does not answer.',
    result: 'The agent lives, other senders are served, memory is bounded, and nothing lands without a live grant.',
  },
  {
    number: 'T28',
    situation: 'An agent, an engine or an observer sends what another one would have to send.',
    result: 'The message is refused with a code and counted. It ends no request, frees no page, and makes none ready.',
  },
  {
    number: 'T29',
    situation: 'Prefill does not know the decode server. A router names it later, never, twice, or names two.',
    result: 'The chunks are sent once, to the first. What is never routed is given back at its deadline.',
  },
  {
    number: 'T30',
    situation: 'One vLLM computes the cache of a prompt, and another one decodes from it.',
    result: 'The answer has the tokens and the logprobs of one vLLM alone. A changed layer changes the tokens.',
  },
];
