/** A cluster in which it takes a second to attach a segment. */
import type { AgentPorts } from '../../src/actors/agent/agent-actor.js';
import { sleep } from '../../src/actors/env/timers.js';
import type { SegmentFile } from '../../src/ports/fabric.js';
import { ForwardingSealedFabric } from '../../src/ports/forwarding-fabric.js';
import { Cluster } from './support.js';

export class SlowAttach extends Cluster {
  protected override decorated(ports: AgentPorts): AgentPorts {
    const { clock } = this;
    class SlowFabric extends ForwardingSealedFabric {
      override async attachSegment(name: string, path: string): Promise<SegmentFile> {
        await sleep(clock, 1000);
        return super.attachSegment(name, path);
      }
    }
    return { ...ports, fabric: new SlowFabric(ports.fabric) };
  }
}
