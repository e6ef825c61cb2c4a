import { useEffect, useState } from 'preact/hooks';
import type { Fault } from '../../../../protocol/faults.js';
import { faults } from '../../feed.js';
import { orderFault } from '../data/api.js';
import { useLiveCluster } from '../data/inspector.js';
import { duration } from '../format.js';
import { CONFIRM_MS } from '../limits.js';
import { Empty } from '../parts/empty.js';
import { PanelFrame } from './panel.js';

const meanings: Record<Fault, string> = {
  kill: 'Ends the process at once, as a crash does.',
  stop: 'Freezes the process for a while. Its peers declare it dead after 2.75 heartbeats.',
  partition: 'Cuts it off from NATS for a while.',
  heal: 'Ends whatever was done to it.',
  'slow-write': 'Makes its writes slow for a while, so that you can watch them.',
  'zombie-writer': 'Freezes it in the middle of a write, and wakes it when others have given it up.',
};

interface Result {
  readonly text: string;
  readonly ok: boolean;
}

/** A fault hits real agents, so injecting one takes two presses. */
export function FaultsPanel({ close }: { readonly close: () => void }) {
  const agents = useLiveCluster()?.agents ?? [];
  const [armed, setArmed] = useState<string | undefined>(undefined);
  const [result, setResult] = useState<Result | undefined>(undefined);
  useEffect(() => {
    if (armed === undefined) return undefined;
    const timer = setTimeout(() => setArmed(undefined), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [armed]);

  const press = (agent: string, fault: Fault) => {
    const key = `${agent} ${fault}`;
    if (armed !== key) {
      setArmed(key);
      return;
    }
    setArmed(undefined);
    setResult({ text: `${agent}: ${fault} …`, ok: true });
    orderFault({ agent, fault }).then(
      ({ forMs }) => {
        const time = forMs === undefined ? '' : ` for ${duration(forMs)}`;
        setResult({ text: `${agent}: ${fault}${time}. Watch what follows.`, ok: true });
      },
      (error: unknown) =>
        setResult({ text: `${agent}: ${fault} failed. ${String((error as Error).message)}`, ok: false }),
    );
  };

  return (
    <PanelFrame title="Faults" close={close}>
      <p class="hint">Press twice. They hit the agents for real; watch what becomes of their requests.</p>
      <p class={`fault-result tone-${result?.ok === false ? 'bad' : 'good'}`} role="status" aria-live="polite">
        {result?.text}
      </p>
      {agents.length === 0 && <Empty title="No agents">Start agents, then come back.</Empty>}
      {agents.map(({ agent, silentMs, description }) => (
        <fieldset key={agent} class="fault-set">
          <legend>
            {agent}
            {silentMs !== undefined && <span class="chip tone-bad">silent</span>}
          </legend>
          {description.faultsAllowed !== true && (
            <p class="hint">It was started without --allow-faults, and refuses them.</p>
          )}
          <div class="fault-buttons">
            {faults.map((fault) => {
              const isArmed = armed === `${agent} ${fault}`;
              return (
                <button
                  key={fault}
                  type="button"
                  class={isArmed ? 'button armed' : 'button'}
                  title={meanings[fault]}
                  disabled={description.faultsAllowed !== true}
                  onClick={() => press(agent, fault)}
                >
                  {isArmed ? `${fault}: sure?` : fault}
                </button>
              );
            })}
          </div>
        </fieldset>
      ))}
    </PanelFrame>
  );
}
