import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.js';

/** The panel that is open. */
export type Panel = 'faults' | 'keys' | undefined;

export interface PanelFrameProps {
  readonly title: string;
  readonly close: () => void;
  readonly children: ComponentChildren;
}

/** A panel at the side of the page, which stays usable. Closing the panel returns the focus. */
export function PanelFrame({ title, close, children }: PanelFrameProps) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    panel.current?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <section ref={panel} class="panel" role="dialog" aria-label={title} tabIndex={-1}>
      <div class="panel-head">
        <h2>{title}</h2>
        <button type="button" class="button plain" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="panel-body">{children}</div>
    </section>
  );
}
