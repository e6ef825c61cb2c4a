import { useInspector } from '../data/inspector.js';
import { Icon } from './icon.js';

/** Returns from the detail to the list. Visible where only one of them has room. */
export function BackButton() {
  const { navigation } = useInspector();
  return (
    <button
      type="button"
      class="button plain back"
      aria-label="Back to the list"
      onClick={() => navigation.change({}, [])}
    >
      <Icon name="left" />
    </button>
  );
}
