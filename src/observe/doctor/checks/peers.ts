/** The provider of each connection, and each connection that uses a fallback. */
import type { PeerRow } from '../../../protocol/status-rows.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('agents', 'peers');

export function checkPeers({ cluster, system }: Examination): Finding[] {
  const descriptions = (cluster?.agents ?? []).map(({ description }) => description);
  return (cluster?.agents ?? []).flatMap(({ after }) =>
    (after?.peers ?? [])
      .filter(({ side }) => side === 'receiver')
      .flatMap((peer) => {
        const receiver = descriptions.find(({ agent, epoch }) => agent === peer.agent && epoch === peer.epoch);
        const isHere = receiver?.arena?.path !== undefined && system.exists(receiver.arena.path);
        return checkPeer(after?.agent ?? '', peer, { isRunning: receiver !== undefined, isHere });
      }),
  );
}

function checkPeer(
  agent: string,
  peer: PeerRow,
  receiver: { readonly isRunning: boolean; readonly isHere: boolean },
): Finding[] {
  const pair = `${agent} → ${peer.agent}`;
  if (peer.state === 'lost' && receiver.isRunning) {
    return [
      found.problem(
        `${pair}: the connection is lost, although ${peer.agent} runs${reasons(peer)}`,
        'no bytes can move on this connection; compare --provider, --bind-address and --tcp-encryption of both agents, and check firewalls',
      ),
    ];
  }
  if (peer.state === 'lost') {
    return [found.note(`${pair}: the process with epoch ${peer.epoch} has ended${reasons(peer)}`)];
  }
  if (peer.provider === undefined) return [found.note(`${pair}: not connected (${peer.state})${reasons(peer)}`)];
  const way = `${pair}: ${peer.provider} (${peer.detail ?? peer.provider})`;
  const passedOver = peer.fallback.map((row) => ({ provider: row.slice(0, row.indexOf(':')), row }));
  const important = passedOver.filter(({ provider }) => provider !== 'same-host');
  if (important.length > 0) {
    return [
      found.warning(
        `${way} is a FALLBACK; ${important.map(({ row }) => row).join('; ')}`,
        `run kvferry doctor on both hosts to see what it lacks; if it is not wanted, leave ${important.map(({ provider }) => provider).join(', ')} out of --provider`,
      ),
    ];
  }
  if (passedOver.length > 0) {
    const text = `${way} instead of same-host (${passedOver.map(({ row }) => row).join('; ')})`;
    // The doctor cannot see whether the sender runs on this host. Agents on two hosts cannot use same-host.
    if (!receiver.isHere) return [found.ok(text)];
    return [
      found.note(
        text,
        'if both agents run on this host, let them share --socket-directory and --arena-directory (in containers: volumes)',
      ),
    ];
  }
  return [found.ok(way)];
}

function reasons({ fallback }: PeerRow): string {
  return fallback.length === 0 ? '' : `; ${fallback.join('; ')}`;
}
