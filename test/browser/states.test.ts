/** What the page shows when there is nothing, too much, or nobody to ask. */
import type { Page } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { startInspector } from '../../src/observe/inspector/server/inspector-server.js';
import type { Source } from '../../src/observe/inspector/source.js';
import { PAGE_FOLDER, useBrowser } from './browser.js';
import { decodeAgent, FixedSource } from './fixed-source.js';

const browser = useBrowser();

async function serve(source: Source, port = 0) {
  const inspector = await startInspector({ source, host: '127.0.0.1', port, pageFolder: PAGE_FOLDER });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await inspector.close();
    isOpen = false;
  };
  onTestFinished(close);
  return { url: inspector.url, close };
}

/** Requests to a server that a test has closed fail, and browsers say so. */
const GONE = /Failed to load resource|net::ERR/;

test('without agents it says how to start one, in every view', async () => {
  const source = new FixedSource();
  source.show([]);
  const { url } = await serve(source);
  const page = await browser.open(`${url}#/cluster`);
  await page.getByText('No agent has been heard').waitFor();
  await page.getByText('kvferry agent --agent-id decode-0').waitFor();
  await page.keyboard.press('2');
  await page.getByText('No actor matches').waitFor();
  await page.keyboard.press('3');
  await page.getByText('No request yet').waitFor();
  await page.keyboard.press('4');
  await page.getByText('What do you want explained?').waitFor();
});

test('while nothing has come yet it shows where something will be', async () => {
  const { url } = await serve(new FixedSource());
  const page = await browser.open(`${url}#/cluster`);
  await page.getByRole('status', { name: 'Loading the cluster' }).waitFor();
});

test('the server goes away → the view is marked as old, and connects again by itself', async () => {
  const source = new FixedSource();
  source.show([decodeAgent('f50', 50)]);
  const first = await serve(source);
  const page = await browser.open(`${first.url}#/cluster`, { expected: GONE });
  await page.getByText('Arena of decode-0').waitFor();
  await first.close();
  await page.getByText('No connection to the inspector.').waitFor();
  expect(await page.locator('main').getAttribute('class')).toContain('stale');
  await page.getByText('Arena of decode-0').waitFor();
  source.show([decodeAgent('f40w10', 50)]);
  await serve(source, Number(new URL(first.url).port));
  await page.getByText('No connection to the inspector.').waitFor({ state: 'detached', timeout: 15_000 });
  await page.locator('.legend', { hasText: 'writing10' }).waitFor();
  expect(await page.locator('main').getAttribute('class')).not.toContain('stale');
});

test('an inspector that has lost NATS says so', async () => {
  const source = new FixedSource();
  source.show([decodeAgent('f50', 50)], { state: 'disconnected' });
  const { url } = await serve(source);
  const page = await browser.open(`${url}#/cluster`);
  await page.getByText('The inspector has lost NATS at nats://10.0.0.5:4222.').waitFor();
  source.show([decodeAgent('f50', 50)]);
  await page.getByText('The inspector has lost NATS').waitFor({ state: 'detached' });
});

test('what is not shown is said: sampling, and entries that were missed', async () => {
  const source = new FixedSource();
  source.show([decodeAgent('f50', 50)], { oneIn: 16, missed: 1204 });
  const { url } = await serve(source);
  const page = await browser.open(`${url}#/cluster`);
  await page.getByText('Sampled: 1 request in 16 is shown.').waitFor();
  await page.getByText('1,204 entries were missed:').waitFor();
});

test('an arena of 4,000 pages fits, and each page can be reached', async () => {
  const source = new FixedSource();
  source.show([decodeAgent('r1500w100k1200q20f1180', 4000)]);
  const { url } = await serve(source);
  const page = await browser.open(`${url}#/cluster`);
  const map = page.getByRole('slider', { name: 'Pages of decode-0' });
  await map.waitFor();
  expect(await page.locator('.legend').textContent()).toBe('free1,180writing100ready1,500retained1,200quarantined20');
  const box = await map.boundingBox();
  expect(box?.height).toBeLessThan(400);
  await map.press('End');
  expect(await map.getAttribute('aria-valuetext')).toBe('page 3999: free');
  await map.press('ArrowLeft');
  await map.press('Enter');
  await page.getByText('No agent knows page 3998').waitFor();
});

test('an unavailable provider is named with the reason', async () => {
  const source = new FixedSource();
  source.show([decodeAgent('f50', 50)]);
  const { url } = await serve(source);
  const page = await browser.open(`${url}#/cluster`);
  await page.getByText('verbs: no RDMA device').waitFor();
});

test('at 1,000 requests a second the page stays small and answers at once', async () => {
  const source = new FixedSource();
  source.show([decodeAgent('f50', 50)]);
  const { url } = await serve(source);
  const page = await browser.open(`${url}#/requests`);
  const timer = setInterval(() => {
    source.move(50);
    source.show([decodeAgent('f50', 50)]);
  }, 50);
  onTestFinished(() => clearInterval(timer));
  await page.getByText('1,000 requests, the newest').waitFor();
  expect(await elementsOf(page)).toBeLessThan(1200);

  // The pointer is over the list: the list must not run away.
  const list = page.getByRole('listbox');
  const first = list.getByRole('option').first();
  const box = await list.boundingBox();
  await page.mouse.move((box?.x ?? 0) + 100, (box?.y ?? 0) + 20);
  await page.getByRole('button', { name: /newer/ }).waitFor();
  const held = await first.textContent();
  await page.getByRole('button', { name: /[1-9][0-9,]* newer/ }).waitFor();
  expect(await first.textContent()).toBe(held);
  await first.click();
  await page.getByRole('region', { name: 'Timeline' }).waitFor();
  await page.keyboard.press('1');
  await page.getByText('Arena of decode-0').waitFor();
  await page.keyboard.press('3');
  await page.getByText('1,000 requests, the newest').waitFor();
  expect(await elementsOf(page)).toBeLessThan(1200);
});

function elementsOf(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelectorAll('*').length);
}
