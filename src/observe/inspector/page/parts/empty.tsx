import type { ComponentChildren } from 'preact';

export interface EmptyProps {
  readonly title: string;
  /** The remedy. */
  readonly children?: ComponentChildren;
}

export function Empty({ title, children }: EmptyProps) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <div class="empty-text">{children}</div>
    </div>
  );
}
