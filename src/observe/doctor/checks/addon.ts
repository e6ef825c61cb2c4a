/** Checks that the native addon loads. Without it no bytes move. */
import { BUILD_ADDON } from '../build-addon.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('program', 'addon');

export function checkAddon({ fabric }: Examination): Finding[] {
  if (fabric.addon) return [found.ok('the native addon loads')];
  return [
    found.problem(
      fabric.reason ?? 'the native addon does not load',
      `${BUILD_ADDON}; it needs a C++ compiler, make and python3 (Debian: build-essential python3)`,
    ),
  ];
}
