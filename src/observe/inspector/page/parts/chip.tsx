import type { ComponentChildren } from 'preact';
import type { Tone } from '../tones.js';

export interface ChipProps {
  readonly tone?: Tone;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/** A word in the colour of its meaning. */
export function Chip({ tone = 'quiet', title, children }: ChipProps) {
  return (
    <span class={`chip tone-${tone}`} title={title}>
      {children}
    </span>
  );
}
