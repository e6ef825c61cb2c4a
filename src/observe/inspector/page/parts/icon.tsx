/** Icons, 16 by 16, in the colour of the text. They are decoration: the control around an icon has a label. */
const paths = {
  logo: 'M3 3.500h4v4H3zM3 9.500h4v4H3zM10 6.500h4v4h-4z',
  close: 'M4 4l8 8M12 4l-8 8',
  back: 'M11 3.500L5.5 8l5.5 4.500zM4 3.500v9',
  forward: 'M5 3.500l5.5 4.500L5 12.500zM12 3.500v9',
  play: 'M5 3.500l7 4.5-7 4.500z',
  pause: 'M5.5 4v8M10.5 4v8',
  live: 'M8 5.500a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  bolt: 'M9 2L4 9h3.500L7 14l5-7H8.500z',
  theme: 'M8 2.500a5.5 5.5 0 1 0 0 11zM8 2.500a5.5 5.5 0 0 1 0 11',
  keys: 'M2.5 4.500h11v7h-11zM5 7h.01M8 7h.01M11 7h.01M5.5 9.500h5',
  search: 'M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3.5 3.5',
  left: 'M10 3.500L5.5 8l4.5 4.5',
  right: 'M6 3.500L10.5 8 6 12.5',
  up: 'M3.5 10L8 5.500l4.5 4.5',
  fit: 'M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3',
  plus: 'M8 3.500v9M3.5 8h9',
  minus: 'M3.5 8h9',
} as const;

const filled: ReadonlySet<string> = new Set(['logo', 'play', 'live', 'bolt']);

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg
      class={filled.has(name) ? 'icon filled' : 'icon'}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
    >
      <path d={paths[name]} />
      {name === 'theme' && <path class="half" d="M8 2.500a5.5 5.5 0 1 0 0 11z" />}
    </svg>
  );
}
