/** Keys that work in every view. */
import type { Navigation } from '../data/navigation.js';
import { views } from '../routes.js';
import type { Panel } from './panel.js';
import { toggleTheme } from './theme.js';

/** The keys with their explanations, as the page lists them. */
export const keys: readonly (readonly [key: string, does: string])[] = [
  ['1 – 4', 'Cluster, Machines, Requests, Explain'],
  ['/', 'Filter'],
  ['↑ ↓', 'Move in a list; Home, End, Page Up and Down too'],
  ['← →', 'Move on the time bar or in a map of pages'],
  ['[ ]', 'One step back or forward in time'],
  ['L', 'Follow live'],
  ['Enter', 'Explain the page under the cursor'],
  ['Esc', 'Close, clear, go back'],
  ['T', 'Light or dark'],
  ['F', 'Faults, where they are allowed'],
  ['?', 'This list'],
];

type SetPanel = (change: (panel: Panel) => Panel) => void;

/** Returns a function that ends it. */
export function listenToKeys(navigation: Navigation, setPanel: SetPanel): () => void {
  const toggle = (panel: Panel) => setPanel((open) => (open === panel ? undefined : panel));
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    const isTyping =
      target instanceof HTMLSelectElement ||
      target instanceof HTMLTextAreaElement ||
      (target instanceof HTMLInputElement && target.type !== 'range');
    if (event.key === 'Escape') return stepOut(event, navigation, setPanel);
    if (isTyping) return;
    const view = views[Number(event.key) - 1];
    if (view !== undefined) navigation.go(view);
    else if (event.key === '/') focusFilter();
    else if (event.key === '[') clickOn('[data-key="back"]');
    else if (event.key === ']') clickOn('[data-key="forward"]');
    else if (event.key === 'l' || event.key === 'L') navigation.showMoment(undefined);
    else if (event.key === 't' || event.key === 'T') toggleTheme();
    else if (event.key === 'f' || event.key === 'F') clickOn('[data-key="faults"]');
    else if (event.key === '?') toggle('keys');
    else return;
    event.preventDefault();
  };
  document.addEventListener('keydown', press);
  return () => document.removeEventListener('keydown', press);
}

function focusFilter(): void {
  const filter = document.querySelector<HTMLInputElement>('[data-filter]');
  filter?.focus();
  filter?.select();
}

function clickOn(selector: string): void {
  document.querySelector<HTMLButtonElement>(selector)?.click();
}

/** Escape, from the inside out: clears the filter, leaves it, closes the panel, closes the selection. */
function stepOut(event: KeyboardEvent, navigation: Navigation, setPanel: SetPanel): void {
  const { target } = event;
  if (target instanceof HTMLInputElement && target.matches('[data-filter]')) {
    if (target.value === '') target.blur();
    else {
      target.value = '';
      target.dispatchEvent(new Event('input', { bubbles: true }));
    }
    return;
  }
  if (document.querySelector('[role="dialog"]') !== null) {
    setPanel(() => undefined);
    return;
  }
  const { view, path, query } = navigation.route.value;
  if (path.length > 0) navigation.go(view, [], query);
}
