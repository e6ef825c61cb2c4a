/** Wraps the ports of an agent in a recording. */
import type { AgentPorts } from '../../actors/agent/agent-actor.js';
import type { AgentOptions } from '../../actors/env/agent-options.js';
import { FORMAT_VERSION, type Line } from './record.js';
import { Recorder } from './recorder.js';
import { RecordingClock } from './recording-clock.js';
import { RecordingControl } from './recording-control.js';
import { RecordingFabric } from './recording-fabric.js';

export interface RecordAgentOptions {
  readonly options: AgentOptions;
  readonly ports: AgentPorts;
  /** Runs a callback in a separate macrotask, in the order of the calls. */
  nextTurn(run: () => void): void;
  write(line: Line): void;
  /** Date and time, for human readers. */
  readonly recordedAt: string;
}

export interface RecordedAgent {
  /** The ports for the agent. The agent must be made and started in the same turn, which is step 0. */
  readonly ports: AgentPorts;
  /** The order to stop is an input like any other and gets its own turn. */
  orderStop(stop: () => void): void;
}

export function recordAgent({ options, ports, nextTurn, write, recordedAt }: RecordAgentOptions): RecordedAgent {
  const { clock, control, fabric, version } = ports;
  const epoch = ports.newEpoch();
  const recorder = new Recorder({ clock, nextTurn, write });
  const recording = new RecordingFabric(fabric, recorder);
  const offer = { endpoints: [...recording.endpoints()], unavailable: [...recording.unavailable()] };
  const { messageBytesMax } = ports.control;
  const { publicKey } = recording;
  const about = { version, recordedAt, epoch, publicKey, options, offer, messageBytesMax, atMs: recorder.nowMs };
  write({ kvferry: 'recording', format: FORMAT_VERSION, ...about });
  return {
    ports: {
      ...ports,
      control: new RecordingControl(control, recorder),
      fabric: recording,
      clock: new RecordingClock(clock, recorder),
      newEpoch: () => epoch,
    },
    orderStop: (stop) => recorder.arrive({ in: 'stop' }, stop),
  };
}
