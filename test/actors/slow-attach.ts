/** Clusters in which it takes a second to attach a segment, or to look which file it is. */
import type { AgentPorts } from '../../src/actors/agent/agent-actor.js';
import { sleep } from '../../src/actors/env/timers.js';
import type { SegmentFile, SegmentSource } from '../../src/ports/fabric.js';
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

export class SlowIdentify extends Cluster {
  protected override decorated(ports: AgentPorts): AgentPorts {
    const { clock } = this;
    class SlowFabric extends ForwardingSealedFabric {
      override async identify(source: SegmentSource): Promise<SegmentFile | undefined> {
        await sleep(clock, 1000);
        return super.identify(source);
      }
    }
    return { ...ports, fabric: new SlowFabric(ports.fabric) };
  }
}
