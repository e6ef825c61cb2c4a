/** The light or dark theme: that of the system, until the user chooses one. */
export type Theme = 'light' | 'dark';

const KEY = 'kvferry-theme';

function isTheme(value: unknown): value is Theme {
  return value === 'light' || value === 'dark';
}

/** Some browsers forbid storage. Then the choice lasts as long as the page. */
function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

export function applyStoredTheme(): void {
  const stored = storage()?.getItem(KEY);
  if (isTheme(stored)) document.documentElement.dataset['theme'] = stored;
}

function currentTheme(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  if (isTheme(chosen)) return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

export function toggleTheme(): void {
  const theme: Theme = currentTheme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset['theme'] = theme;
  storage()?.setItem(KEY, theme);
}

/** Calls `changed` when the colours change, by the user's choice or by the system. Returns a function that ends it. */
export function onThemeChange(changed: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  system.addEventListener('change', changed);
  return () => {
    observer.disconnect();
    system.removeEventListener('change', changed);
  };
}
