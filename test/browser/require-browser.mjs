// Runs once before the tests of the inspector's page: tells them where the browser is.
import { findChromium } from '../../scripts/setup/machine.mjs';

export function setup({ provide }) {
  const chromium = findChromium();
  if (chromium === undefined) throw new Error('there is no Chromium: install it, or name one in KVFERRY_CHROMIUM');
  provide('chromium', chromium);
}
