import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect } from 'preact/hooks';
import type { MachineName } from '../../../../protocol/observation.js';
import { ARROW_LIT_MS } from '../limits.js';
import { idsOfState, innermost } from './state-ids.js';
import type { StateChange } from './use-actor.js';

type Frame = RefObject<HTMLElement | null>;

/**
 * Smallest scale of a drawing that fits itself to its frame. Below it the text is not readable, so the frame scrolls.
 */
const FIT_MIN = 0.62;

/** Shows the drawing in the frame. `scale`: undefined fits it to the frame. */
export function useDrawing(frame: Frame, svg: string | undefined, scale: number | undefined): void {
  useLayoutEffect(() => {
    if (frame.current === null || svg === undefined) return;
    const drawing = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    frame.current.replaceChildren(document.importNode(drawing, true));
  }, [frame, svg]);

  useLayoutEffect(() => {
    const drawing = frame.current?.querySelector('svg');
    if (!drawing || svg === undefined) return;
    const width = Number(drawing.getAttribute('viewBox')?.split(' ')[2] ?? 0);
    drawing.style.width = scale === undefined ? '' : `${width * scale}px`;
    drawing.style.maxWidth = scale === undefined ? '' : 'none';
    drawing.style.minWidth = scale === undefined ? `${width * FIT_MIN}px` : '';
  }, [frame, svg, scale]);
}

export interface LitStates {
  readonly machine: MachineName;
  readonly state: string;
  /** Ids of the states, when the agent has reported them. */
  readonly paths: readonly string[] | undefined;
}

/** Lights the states that the machine is in, and scrolls to them. */
export function useLitStates(frame: Frame, svg: string | undefined, { machine, state, paths }: LitStates): void {
  const pathsKey = paths?.join(' ');
  useLayoutEffect(() => {
    const drawing = frame.current?.querySelector('svg');
    if (!drawing || svg === undefined) return;
    const states = statesOf(drawing);
    const ids = states.map((element) => element.dataset['state'] ?? '');
    const lit = pathsKey === undefined ? idsOfState(machine, state, ids) : pathsKey.split(' ');
    const inner = innermost(lit);
    for (const element of states) {
      const id = element.dataset['state'] ?? '';
      element.classList.toggle('lit', inner.includes(id));
      element.classList.toggle('around', lit.includes(id) && !inner.includes(id));
    }
    reveal(frame.current, drawing.querySelector('.lit'));
  }, [frame, svg, machine, state, pathsKey]);
}

export interface LitArrow {
  readonly machine: MachineName;
  readonly step: StateChange | undefined;
  /** Keep the arrow lit. Otherwise it is lit for a moment. */
  readonly isQuiet: boolean;
}

/** Lights the arrow of the last state change. */
export function useLitArrow(frame: Frame, svg: string | undefined, { machine, step, isQuiet }: LitArrow): void {
  useEffect(() => {
    const drawing = frame.current?.querySelector('svg');
    if (!drawing || svg === undefined || step === undefined) return undefined;
    const { from, to } = step.entry;
    const ids = statesOf(drawing).map((element) => element.dataset['state'] ?? '');
    const sources = from === undefined ? [] : idsOfState(machine, from, ids);
    const targets = idsOfState(machine, to, ids);
    const taken = [...drawing.querySelectorAll<SVGGElement>('[data-source]')].filter(
      ({ dataset }) => sources.includes(dataset['source'] ?? '') && targets.includes(dataset['target'] ?? ''),
    );
    for (const arrow of taken) arrow.classList.add('taken');
    const clear = () => {
      for (const arrow of taken) arrow.classList.remove('taken');
    };
    const timer = isQuiet ? undefined : setTimeout(clear, ARROW_LIT_MS);
    return () => {
      clearTimeout(timer);
      clear();
    };
  }, [frame, svg, machine, step, isQuiet]);
}

function statesOf(drawing: SVGElement): SVGGElement[] {
  return [...drawing.querySelectorAll<SVGGElement>('[data-state]')];
}

/** Scrolls the frame, and not the page, so that the element is in its middle. */
function reveal(frame: HTMLElement | null, element: Element | null): void {
  if (frame === null || element === null) return;
  const [outer, inner] = [frame.getBoundingClientRect(), element.getBoundingClientRect()];
  const isSeen =
    inner.top >= outer.top && inner.bottom <= outer.bottom && inner.left >= outer.left && inner.right <= outer.right;
  if (isSeen) return;
  frame.scrollTo({
    top: frame.scrollTop + inner.top - outer.top - (outer.height - inner.height) / 2,
    left: frame.scrollLeft + inner.left - outer.left - (outer.width - inner.width) / 2,
  });
}
