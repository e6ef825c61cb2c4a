/** What each suite measures, for readers of its tables. */
export const explanations: ReadonlyMap<string, string> = new Map([
  [
    'data',
    `Chunks travel from the memory of one process to the memory of another, each chunk of a round once. The source has new bytes in
every round. The receiver compares every byte after the clock has stopped. A *batch* is handed over as one and completes as one.
*In flight* is the number of batches under way at once. A batch is complete when the sending side is notified, for peers and for
kvferry. This suite measures the fabric alone, as the peers' own benchmarks do: no keys, no agents. \`ofBaseline\` is the rate of
kvferry divided by that of the baseline, round by round. The baseline is \`memcpy\` on one host (one thread, between two mapped
files) and one raw stream over TCP. The raw stream has the congestion control of the system. \`CpuSPerGb\` is the processor
time of the sender's process in seconds a GB. \`cpuOfLibfabric\` divides that of kvferry's TCP by that of libfabric's, round by round.`,
  ],
  [
    'control',
    `Real agents and a real nats-server. Chunks have one byte, so messages and decisions take the time. A request is one batch:
put, announced as ready, released. In alternation, the suite measures three bare NATS round trips, one after the other. They go to
a process that only answers, with messages as large as put, allocate and commit: the least that any control path must send.
\`roundTripsToReady\` is the median of put to ready divided by the median of one such round trip. CPU time is the sum of all
agents. \`decodeBatchesPerCpuS\` is what the decode agent could do with a processor of its own. The load, NATS and the senders run
on the same processors.`,
  ],
  [
    'contention',
    `The same workload in simulated time on two stores: the shipped one, and a model of the rules of LMCache's asynchronous
prefill/decode backend (\`bench/contention/upstream-model.ts\`). The workload has 4 senders and 16 requests at once, each with 32
keys, of which 24 are a shared prefix. *Wrong* requests were ready, but had other bytes when they were read. *Lost* requests had
neither become ready nor ended within 5 s. The model is generous: it loses no message, and no process dies.`,
  ],
  [
    'scale',
    `The cost of a batch of 32 keys as the numbers grow: for the shipped store alone, and for the shipped decode agent without a
network (it receives and sends messages as text). An exponent of 0 means flat, an exponent of 1 means linear.`,
  ],
  [
    'recovery',
    `Real agents, killed with SIGKILL while a request is under way. *Detect*: time until the other side announces the failure, at
the latest after 2.75 silent heartbeats. *Reclaim*: time until the pages are free. *Restart*: time from the start of the next
process to the first request that is ready. *Reconnect*: the part of it after the process serves.`,
  ],
  [
    'observe',
    `The cost of observation. The same load runs in alternation on agents without a journal (\`journalEntries: 0\`: *blind*), on agents
as they are (*unwatched*), and on agents that a client polls as often as an open inspector page does (*watched*), on the same
processors. A batch has 32 keys of one byte. *Lost* is throughput against the blind agents of the same round. CPU time is the sum
of all agents for each batch. Two processes of one program can differ for as long as they live, so the suite starts new ones
several times.`,
  ],
  [
    'vllm',
    `Two engines of vLLM on the CPU, one for prefill and one for decode, in float32, one thread each. The prompts have 512 tokens, and the
model has the cache of a model with half a billion parameters: 24 layers with two KV heads of 64, 12 MiB a prompt. Each system has
engines of its own, and answers the same prompts in turn. *Shared* is the part of a prompt that an earlier prompt began with; every
engine has vLLM's prefix cache, but those of shared storage. *Added* is the time to the first token, less that of one vLLM alone
(\`alone\`), prompt by prompt. \`kvferryEarly\`: the router names the decode agent, so the chunks travel while prefill computes. NIXL is
vLLM's own \`NixlConnector\` on UCX, with shared memory (same host) or with TCP alone. Shared storage is vLLM's \`ExampleConnector\`, with its
files in memory. \`recomputedMs\` is what decode needs when it computes the prompt itself. Every answer is compared with that of one
vLLM. NATS, the agents and all engines share the processors.`,
  ],
  [
    'turns',
    `For how long the event loop of an agent stands still, at most, in the cases that ask most of it. A turn is one message or one
timer, with all that follows before the next one. It is measured in CPU time of the process, or in elapsed time if that is shorter:
the CPU time of the thread is no longer than either. So other work on the machine does not count, and the garbage collector does.
The heap has no garbage when a measurement begins.
The first round does not count, because it also compiles the code. \`boundMs\` is the goal: 20 ms at the default limits and 50 ms at
the largest limits of the configuration. Cases with agents run on simulated ports, so the turns contain the work of the simulated
network and fabric too. *Heartbeats*: how many of them an agent receives in a second, its own included, when each agent works with
two others. \`boundPerS\` is the goal: one from each of the three.`,
  ],
]);
