/** All machines, by name. */
import type { AnyStateMachine } from 'xstate';
import { agentMachine } from '../../../machines/agent.js';
import { connectionMachine } from '../../../machines/connection.js';
import { groupMachine } from '../../../machines/group.js';
import { ingestMachine } from '../../../machines/ingest.js';
import { lineMachine } from '../../../machines/line.js';
import { pageMachine } from '../../../machines/page.js';
import { peerMachine } from '../../../machines/peer.js';
import { rankMachine } from '../../../machines/rank.js';
import { requestMachine } from '../../../machines/request.js';
import { transferMachine } from '../../../machines/transfer.js';
import type { ChartView } from './feed.js';

/** In the order of machines/README.md. */
export const machines: Readonly<Record<ChartView['machine'], AnyStateMachine>> = {
  agent: agentMachine,
  line: lineMachine,
  peer: peerMachine,
  connection: connectionMachine,
  request: requestMachine,
  transfer: transferMachine,
  ingest: ingestMachine,
  group: groupMachine,
  rank: rankMachine,
  page: pageMachine,
};
