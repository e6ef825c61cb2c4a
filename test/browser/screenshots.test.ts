/** Pictures of each view, light and dark, wide and narrow: of a cluster that is the same in every run. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type RunningInspector, startInspector } from '../../src/observe/inspector/server/inspector-server.js';
import { narrow, PAGE_FOLDER, picture, useBrowser, wide } from './browser.js';
import { makeTableau, type Tableau } from './tableau.js';

const browser = useBrowser();
let tableau: Tableau;
let inspector: RunningInspector;

beforeAll(async () => {
  tableau = await makeTableau();
  const { shown, source } = tableau;
  inspector = await startInspector({ source, host: '127.0.0.1', port: 0, pageFolder: PAGE_FOLDER });
  shown.tick();
}, 240_000);
afterAll(async () => {
  await inspector.close();
  await tableau[Symbol.asyncDispose]();
});

const sizes = { wide, narrow };
const rows = (page: Page) => page.getByRole('listbox').getByRole('option');

describe.each(['light', 'dark'] as const)('%s', (theme) => {
  describe.each(['wide', 'narrow'] as const)('%s', (size) => {
    const open = async (view: string, ready: (page: Page) => Promise<unknown>) => {
      const page = await browser.open(`${inspector.url}#/${view}`, { theme, viewport: sizes[size], frozen: true });
      await ready(page);
      return page;
    };
    const name = (view: string) => `${view}-${theme}${size === 'wide' ? '' : '-narrow'}`;

    test('picture of the cluster view', async () => {
      const page = await open('cluster', (opened) => opened.getByText('Arena of decode-0').waitFor());
      tableau.tellPastAgain();
      await page.locator('.sparkline polyline').first().waitFor({ state: 'attached' });
      await picture(page, name('cluster'));
    });

    test('picture of the machines view', async () => {
      const page = await open(`machines?request=${tableau.requests.stuck}`, (opened) => rows(opened).first().waitFor());
      await rows(page).filter({ hasText: 'transfer' }).first().click();
      await page.locator('.chart-frame .lit').first().waitFor();
      await picture(page, name('machines'));
    });

    test('picture of the requests view', async () => {
      const page = await open(`requests?text=${tableau.requests.handedOver}`, (opened) =>
        rows(opened).first().waitFor(),
      );
      await rows(page).first().click();
      await page.getByRole('region', { name: 'Timeline' }).waitFor();
      if (size === 'wide') await page.getByLabel('Filter by request or key').fill('');
      await page.getByRole('tab', { name: 'Timeline' }).click();
      await page.mouse.move(0, 0);
      await picture(page, name('requests'));
      await page.getByRole('tab', { name: 'Sequence' }).click();
      await page.getByRole('region', { name: 'Sequence', exact: true }).waitFor();
      await picture(page, name('sequence'));
    });

    test('picture of the explain view', async () => {
      const page = await open(`explain?about=request&name=${tableau.requests.queued}`, (opened) =>
        opened.getByRole('article').first().waitFor(),
      );
      await picture(page, name('explain'));
    });
  });
});
