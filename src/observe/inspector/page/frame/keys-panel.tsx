import { keys } from './keyboard.js';
import { PanelFrame } from './panel.js';

export function KeysPanel({ close }: { readonly close: () => void }) {
  return (
    <PanelFrame title="Keys" close={close}>
      <dl class="keys">
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </PanelFrame>
  );
}
