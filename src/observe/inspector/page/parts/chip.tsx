import type { ComponentChildren } from 'preact';
import type { Tone } from '../tones.js';

export interface ChipProps {
  readonly tone?: Tone;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/** A word with the colour of what it means. */
export function Chip({ tone = 'quiet', title, children }: ChipProps) {
  return (
    <span class={`chip tone-${tone}`} title={title}>
      {children}
    </span>
  );
}
