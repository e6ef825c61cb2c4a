/**
 * The texts of docs/guarantees.md. Tests and comments cite the numbers. A new number joins here with the change that makes
 * it true and with a test that carries the number in its name.
 */

/** A promise that holds for every input, in every order of messages and failures. */
export interface Guarantee {
  readonly number: string;
  readonly promise: string;
  /** What goes wrong without it. */
  readonly why: string;
  /** Files that keep the promise, relative to the root of the repository. */
  readonly keptBy: readonly string[];
}

/** The rules of one transfer. */
export const transferGuarantees: readonly Guarantee[] = [
  {
    number: 'S1',
    promise: 'The decode agent looks up every key before it allocates pages, and a known key gets no page.',
    why: 'Otherwise a shared prefix would occupy one page for each request.',
    keptBy: ['src/store/commands/place.ts'],
  },
  {
    number: 'S2',
    promise:
      'A reply to `allocate` has the new pages in request order and the positions already sent, which add up to the keys.',
    why: 'Otherwise the sender could not tell which page belongs to which chunk.',
    keptBy: ['src/store/commands/place.ts'],
  },
  {
    number: 'S3',
    promise: 'Lookup and lease are one step, and a request gets exactly one lease for each key it shares.',
    why: 'Otherwise another request could free the page between the two steps.',
    keptBy: ['src/store/contents.ts'],
  },
  {
    number: 'S4',
    promise: 'The sender writes only chunks that were not deduplicated, each to its own page.',
    why: 'Otherwise a write would overwrite a page that other requests read.',
    keptBy: ['machines/transfer.ts'],
  },
  {
    number: 'S5',
    promise:
      'The agent gives the source memory of each chunk back exactly once, when its bytes can no longer be needed.',
    why: 'A missing release leaks memory of the engine; an early one lets the engine overwrite bytes that are still read.',
    keptBy: ['machines/transfer.ts', 'src/actors/sending/source-memory.ts'],
  },
  {
    number: 'S6',
    promise: 'A message or reply whose positions or counts are wrong writes nothing, and the error names the field.',
    why: 'Otherwise a wrong reply would send bytes to wrong pages.',
    keptBy: ['machines/transfer.ts', 'src/store/commands/check-allocate.ts'],
  },
  {
    number: 'S7',
    promise:
      'A key keeps its first writer; a second request for it never replaces the entry or frees a page that can still be written.',
    why: 'Otherwise a write under way would land in a page that has a new owner.',
    keptBy: ['src/store/commands/place.ts'],
  },
  {
    number: 'S8',
    promise: 'A release drops the lease of one request, and the page is free only when no lease is left.',
    why: 'Otherwise the end of one request would take the page from the others.',
    keptBy: ['src/store/commands/release.ts', 'src/store/contents.ts'],
  },
  {
    number: 'S9',
    promise: 'Requests that wait for pages are checked again only when a page has become free.',
    why: 'Otherwise a waiting request would be admitted without memory for it.',
    keptBy: ['src/store/admission.ts'],
  },
  {
    number: 'S10',
    promise: 'A key that a live request leases stays readable after another request released it.',
    why: 'Otherwise a decode engine would read a page that holds another chunk.',
    keptBy: ['src/store/contents.ts'],
  },
  {
    number: 'S11',
    promise:
      'Before it sends a message, the sender records all chunks that an abort must undo, including deduplicated ones.',
    why: 'Otherwise an abort would leave leases at the receiver.',
    keptBy: ['machines/transfer.ts', 'machines/request.ts'],
  },
  {
    number: 'S12',
    promise: 'When a request fails, the receiver also ends the leases on its deduplicated chunks.',
    why: 'Otherwise shared pages would never become free.',
    keptBy: ['src/store/commands/end.ts'],
  },
  {
    number: 'S13',
    promise: 'Deduplicated chunks count as complete once their bytes are in the arena.',
    why: 'Otherwise a request with shared chunks would never become ready.',
    keptBy: ['machines/ingest.ts'],
  },
  {
    number: 'S14',
    promise: 'A batch whose chunks are all deduplicated moves no bytes and completes.',
    why: 'Otherwise it would wait for a write that does not exist.',
    keptBy: ['machines/transfer.ts', 'machines/ingest.ts'],
  },
  {
    number: 'S15',
    promise:
      'One refused chunk ends the whole request: all source memory is given back and earlier batches are cancelled.',
    why: 'Otherwise the request would be incomplete for ever and keep its pages.',
    keptBy: ['machines/request.ts'],
  },
  {
    number: 'S16',
    promise: 'Log lines and replies report the count that an operation acted on, not the count that is left.',
    why: 'Otherwise a person who looks for a leak is misled.',
    keptBy: ['src/store/commands/release.ts'],
  },
];

/** The rules for races, failures and restarts. */
export const failureGuarantees: readonly Guarantee[] = [
  {
    number: 'P1',
    promise: 'A chunk is ready only after its bytes are committed; a request that joined its writer waits for that.',
    why: 'Otherwise a decoder would read a page that is half written.',
    keptBy: ['machines/page.ts', 'machines/ingest.ts'],
  },
  {
    number: 'P2',
    promise:
      'If a writer fails, a joined request writes the chunk instead; if none can, the joined requests fail with the reason.',
    why: 'Otherwise they would wait for ever, or become ready without bytes.',
    keptBy: ['src/store/commands/hand-over.ts', 'machines/transfer.ts'],
  },
  {
    number: 'P3',
    promise: 'No decision is made before a wait and used after it: every lookup is repeated after the wait.',
    why: 'Otherwise a page that was freed during the wait would be written.',
    keptBy: ['src/store/admission.ts', 'src/actors/sending/sender.ts'],
  },
  {
    number: 'P4',
    promise: 'A cancel or release that arrives again, in any order and from any side, changes nothing.',
    why: 'Otherwise one lease would be dropped twice and a page would be freed twice.',
    keptBy: ['src/store/commands/release.ts', 'src/store/contents.ts'],
  },
  {
    number: 'P5',
    promise:
      'A page whose write may still land is quarantined until the write has drained or its remote key is revoked.',
    why: 'Otherwise a late write would destroy the bytes of the next owner.',
    keptBy: ['src/store/quarantine.ts', 'machines/page.ts'],
  },
  {
    number: 'P6',
    promise: 'A request that has ended stays ended: late and repeated messages get the recorded end as their answer.',
    why: 'Otherwise a late batch would start a dead request again.',
    keptBy: ['src/store/tombstones.ts', 'machines/ingest.ts'],
  },
  {
    number: 'P7',
    promise: 'Every wait has a deadline, and other messages are served while a request waits.',
    why: 'Otherwise a cancel that would free memory would queue behind the request that waits for memory.',
    keptBy: ['machines/request.ts', 'machines/ingest.ts', 'src/store/admission.ts'],
  },
  {
    number: 'P8',
    promise: 'Requests are admitted whole, in order of arrival, and are charged once for their new pages only.',
    why: 'Otherwise large requests would starve, or two requests would each hold half of the pages.',
    keptBy: ['src/store/admission.ts'],
  },
  {
    number: 'P9',
    promise: 'What must be undone is recorded before the message that causes it is sent.',
    why: 'Otherwise a malformed reply would leave pages or leases behind.',
    keptBy: ['machines/transfer.ts', 'machines/request.ts'],
  },
  {
    number: 'P10',
    promise: 'A missing key is an ordinary answer (`missing`), not an error.',
    why: 'The engine computes the chunk again; an exception would stop it.',
    keptBy: ['src/store/commands/acquire.ts'],
  },
  {
    number: 'P11',
    promise: 'The lookup of a decode engine leases what it finds in the same step.',
    why: 'Otherwise another request could free the page before the engine reads it.',
    keptBy: ['src/store/commands/acquire.ts'],
  },
  {
    number: 'P12',
    promise:
      'Every accepted request ends exactly once, as ready, failed, cancelled or expired; the end is announced and can be queried. Two different ends need the death of an agent, and the first one counts.',
    why: 'Otherwise a router would wait for ever, or act on two different ends.',
    keptBy: ['machines/ingest.ts', 'machines/request.ts', 'src/actors/peers/confirm-end.ts'],
  },
  {
    number: 'P13',
    promise: 'A page handle is (page, generation, epoch), and a stale handle is refused with a typed error.',
    why: 'Otherwise a restarted receiver would accept a write for a page of its predecessor.',
    keptBy: ['src/store/page-table.ts', 'src/protocol/subjects.ts'],
  },
  {
    number: 'P14',
    promise:
      'An agent that dies is detected by its peers: its pages are freed, and requests to it fail with a typed error.',
    why: 'Otherwise its pages would be lost and its partners would hang.',
    keptBy: ['machines/peer.ts', 'src/actors/peers/sender-peer.ts', 'src/actors/peers/receiver-peer.ts'],
  },
  {
    number: 'P15',
    promise: 'Leases that are not renewed expire, and a request can be released without being read.',
    why: 'Otherwise pages of a prompt that the decoder did not need would be lost.',
    keptBy: ['src/store/commands/expire.ts', 'src/store/commands/release.ts'],
  },
  {
    number: 'P16',
    promise: 'An empty last batch completes its request.',
    why: 'Otherwise a prompt that ends on the boundary of a batch would never become ready.',
    keptBy: ['machines/ingest.ts', 'machines/request.ts'],
  },
  {
    number: 'P17',
    promise: 'A request over several ranks is ready when all ranks are; if one fails, all end, with one event.',
    why: 'Otherwise the ranks that succeeded would keep their pages and the router would wait for the rest.',
    keptBy: [
      'machines/group.ts',
      'src/actors/ranks/groups.ts',
      'src/actors/ranks/rank-link.ts',
      'src/actors/sending/rank-ends.ts',
    ],
  },
  {
    number: 'P18',
    promise: 'Tests run the shipped code and replace only its ports: network, memory writes and clock.',
    why: 'Otherwise the tests would check a copy instead of the program.',
    keptBy: ['src/ports'],
  },
  {
    number: 'P19',
    promise:
      'In a session, an order is executed at most once and in its turn. After a barrier answers, no earlier order is executed.',
    why: 'A put that runs late would send the bytes of another prompt under its key.',
    keptBy: ['src/actors/sending/session.ts', 'src/client/order-session.ts', 'src/client/lendings.ts'],
  },
  {
    number: 'P20',
    promise: 'A cancel at the prefill agent finds every put of its request that arrived before it.',
    why: 'Otherwise the put would be accepted after the cancel, and its pages would be leased for no reader.',
    keptBy: ['src/actors/sending/arriving-puts.ts', 'src/actors/agent/subjects.ts'],
  },
  {
    number: 'P21',
    promise:
      'A peer is declared dead only after silence that is not the agent’s own; what was refused meanwhile is repeated.',
    why: 'Otherwise an outage of NATS that hurts no agent would end requests, some of them twice.',
    keptBy: ['machines/peer.ts', 'machines/line.ts', 'src/actors/living', 'src/actors/peers/peer-call.ts'],
  },
  {
    number: 'P22',
    promise:
      'The ranks of a request are admitted in one order over all arenas. A request is announced ready only after every rank has confirmed that it is there.',
    why: 'Otherwise two requests would each hold on one rank the pages that the other one waits for, and ready could be announced for a rank that is dead.',
    keptBy: ['machines/turns.ts', 'machines/group.ts', 'machines/rank.ts', 'src/store/commands/admit-unit.ts'],
  },
  {
    number: 'P23',
    promise: 'A name has one owner: a second process does not serve, or takes over and the first one ends.',
    why: 'Otherwise two processes would execute each put, and the engine would know of one only.',
    keptBy: ['src/actors/agent/name.ts'],
  },
  {
    number: 'P24',
    promise:
      'A segment is the file that was attached: its device and inode. Its name and path do not make it another one.',
    why: 'Otherwise a new file under an old path would be announced with the bytes of the old one.',
    keptBy: ['src/actors/sending/segments.ts', 'src/native/native-fabric.ts'],
  },
  {
    number: 'P25',
    promise:
      'What an agent reports once can be asked for; a message is repeated while the agent that owes the answer lives.',
    why: 'Otherwise one lost notice would keep source memory, or let a request wait until its deadline.',
    keptBy: [
      'machines/request.ts',
      'src/actors/sending/request-actor.ts',
      'src/actors/receiving/receiver.ts',
      'src/actors/sending/source-loans.ts',
    ],
  },
  {
    number: 'P26',
    promise:
      'What breaks ends only what used it: one connection, one write, one request. A connection ends only the requests that are writing on it, and a provider that fails ends none while another is left.',
    why: 'Otherwise a late end would break a healthy connection, and a broken one would end requests that only wait.',
    keptBy: [
      'src/actors/sending/request-actor.ts',
      'src/actors/sending/transfer-actor.ts',
      'src/actors/peers/provider-choice.ts',
      'src/store/commands/place.ts',
      'src/store/commands/rebind.ts',
    ],
  },
  {
    number: 'P27',
    promise:
      'No wait depends on the wall clock, also not inside a dependency, and no judgement on the own clock alone.',
    why: 'Otherwise a step of the clock would keep an agent away, and a paused machine would announce a second end.',
    keptBy: ['src/control/system-clock.ts', 'src/control/nats-dialing.ts', 'machines/peer.ts'],
  },
  {
    number: 'P28',
    promise: 'A size is checked before anything is expanded, kept, logged or published.',
    why: 'Otherwise a message of 12 KB could become 67 million numbers.',
    keptBy: [
      'src/protocol/codec.ts',
      'src/protocol/fields.ts',
      'src/protocol/columns.ts',
      'src/protocol/rows.ts',
      'src/control/nats-arrivals.ts',
      'src/store/occupancy.ts',
      'src/store/tombstones.ts',
      'src/actors/observing/journal.ts',
    ],
  },
  {
    number: 'P29',
    promise:
      'A page leaves quarantine only on a proof that no write can land. Delivered bytes are in the file that engines map, or the agent fences itself.',
    why: 'Otherwise late bytes would land in a page of another request, or a ready page would have other bytes than were sent.',
    keptBy: [
      'src/store/commands/hand-over.ts',
      'src/actors/sending/taken-parts.ts',
      'src/native/arena-watch.ts',
      'src/native/cc/libfabric/connected/connection.cc',
    ],
  },
  {
    number: 'P30',
    promise:
      'A command costs what its own keys cost, an answer fits one message, and an agent receives the heartbeats of its peers only.',
    why: 'Otherwise a large cluster, one lost sender with many requests, or long keys would stop an agent.',
    keptBy: [
      'src/actors/env/turns.ts',
      'src/control/system-clock.ts',
      'src/store/commands/settle.ts',
      'src/actors/living/heartbeats.ts',
      'src/protocol/message-room.ts',
      'src/actors/agent/status.ts',
    ],
  },
  {
    number: 'P31',
    promise:
      'The subject of a message says who speaks. A message about a request, an epoch or a name of another agent is refused and changes nothing.',
    why: 'Otherwise a stranger could end the requests of others, release pages that are still written, or announce bytes that have not arrived.',
    keptBy: [
      'src/protocol/subjects.ts',
      'src/protocol/permissions.ts',
      'src/actors/peers/require-owner.ts',
      'src/actors/peers/sender-directory.ts',
      'src/sealing/sealing-fabric.ts',
      'src/actors/sending/receiver-messages.ts',
      'src/client/kvferry-client.ts',
    ],
  },
  {
    number: 'P32',
    promise:
      'A tenant sees, uses and ends only what is its own. Equal keys of two tenants are two chunks, unless the deployment lets them share.',
    why: 'Otherwise a team could end the requests of another one, read its chunks under a guessed key, or give it other bytes.',
    keptBy: [
      'src/protocol/tenants.ts',
      'src/protocol/permissions.ts',
      'src/actors/agent/tenant-view.ts',
      'src/actors/env/key-space.ts',
      'src/actors/env/quota.ts',
    ],
  },
];
