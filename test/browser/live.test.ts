/** The page as people open it: `kvferry inspect` beside real agents, and on a recording of one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { missing, RealCluster } from '../integration/support.js';
import { Program } from '../support/program.js';
import { useBrowser } from './browser.js';

const keys = ['k0', 'k1', 'k2', 'k3'];
/** The first questions to real agents take their time. */
const FIRST_MS = 20_000;

const browser = useBrowser();
const rows = (page: Page) => page.getByRole('listbox').getByRole('option');

async function inspect(...args: string[]): Promise<string> {
  const program = new Program('inspect', '--listen', '0', ...args);
  return program.said(/^inspector: (.+)$/);
}

describe.skipIf(missing !== undefined)(`live${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test('a transfer between real agents is seen while it happens, and to its end', async () => {
    await using cluster = await RealCluster.start();
    await cluster.agent('decode-0', 'decode');
    await cluster.agent('prefill-0', 'prefill');
    await cluster.segment('prefill-0', keys);
    const url = await inspect('--nats', cluster.url);
    const page = await browser.open(`${url}#/requests`);
    await page.getByText('No request yet').waitFor({ timeout: FIRST_MS });
    await cluster.put('prefill-0', 'r1', keys.slice(0, 2), { last: false, totalChunks: 4 });
    await rows(page).filter({ hasText: 'r1' }).filter({ hasText: 'receiving' }).click();
    await page.getByRole('region', { name: 'Timeline' }).locator('.bar.open').first().waitFor();
    const source = [{ segment: 'engine', offset: 0, length: 65_536, count: 2 }];
    await cluster.put('prefill-0', 'r1', keys.slice(2), { batch: 1, totalChunks: 4, source });
    await rows(page).filter({ hasText: 'r1' }).filter({ hasText: 'ready' }).waitFor();
    await page.getByRole('tab', { name: 'Sequence' }).click();
    for (const text of ['put · batch 0', 'allocate · batch 1', 'bytes · batch 1', 'commit · batch 1']) {
      await page.locator('.arrow', { hasText: text }).first().waitFor();
    }
    await page.locator('.note.end', { hasText: 'ready' }).waitFor();
    await page.keyboard.press('1');
    await page.getByRole('region', { name: 'Arena of decode-0' }).locator('.legend', { hasText: 'ready4' }).waitFor();
    await page.locator('.link-label', { hasText: 'same-host' }).waitFor();
  });

  test('a sender that is killed by a fault fails its request, and the page says why', async () => {
    await using cluster = await RealCluster.start();
    await cluster.agent('decode-0', 'decode');
    await cluster.agent('prefill-0', 'prefill', 'same-host', { args: ['--allow-faults'] });
    await cluster.segment('prefill-0', keys);
    const url = await inspect('--nats', cluster.url, '--allow-faults');
    const page = await browser.open(`${url}#/requests`);
    await page.getByText('No request yet').waitFor({ timeout: FIRST_MS });
    await cluster.put('prefill-0', 'r1', keys.slice(0, 2), { last: false, totalChunks: 4 });
    await rows(page).filter({ hasText: 'r1' }).click();
    await page.keyboard.press('f');
    const set = page.getByRole('group', { name: 'prefill-0' });
    await set.getByRole('button', { name: 'kill' }).click();
    await set.getByRole('button', { name: 'kill: sure?' }).click();
    await page.getByText('prefill-0: kill.').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.why', { hasText: 'failed: sender_lost' }).waitFor();
    await page.keyboard.press('1');
    await page.getByRole('article', { name: 'Agent prefill-0' }).getByText('silent for').waitFor();
  });

  test('a recording is gone through with the slider', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvferry-page-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'decode-0.jsonl');
    await using cluster = await RealCluster.start();
    const decode = await cluster.agent('decode-0', 'decode', 'same-host', { args: ['--record', file] });
    await cluster.agent('prefill-0', 'prefill');
    await cluster.segment('prefill-0', keys);
    const { epoch } = await cluster.put('prefill-0', 'r1', keys);
    await cluster.ended('r1');
    await cluster.client.acquire('decode-0', { request: 'r1', epoch });
    await cluster.client.release('decode-0', { request: 'r1', epoch });
    expect(await decode.end('SIGTERM')).toBe(0);

    // At its beginning nothing is known of the request: that is answered so.
    const page = await browser.open(`${await inspect('--recording', file)}#/cluster`, { expected: /404/ });
    await page.getByText('recording', { exact: true }).waitFor({ timeout: FIRST_MS });
    const legend = page.getByRole('region', { name: 'Arena of decode-0' }).locator('.legend');
    await page.keyboard.press('3');
    await rows(page).filter({ hasText: 'r1' }).click();
    await page.locator('.detail-head').getByText('ready', { exact: true }).waitFor();

    // Back to when it had begun, and the pages were just ready.
    const slider = page.getByRole('slider', { name: 'Moment' });
    const moment = await page.evaluate(async (path) => {
      const { request } = await (await fetch(path)).json();
      const { source } = await (await fetch('/api/cluster')).json();
      return Math.ceil(((request.endedMs - source.fromMs) / (source.toMs - source.fromMs)) * 2000);
    }, `/api/requests/${epoch}/r1`);
    await slider.fill('0');
    await page.getByText('Nothing is known of r1').waitFor();
    await slider.fill(String(moment));
    await page.locator('.detail-head').getByText('ready', { exact: true }).waitFor();
    await page.keyboard.press('2');
    await rows(page).filter({ hasText: 'ingest' }).click();
    await page.locator('[data-state="ingest.ready"].lit').waitFor();
    await page.getByRole('button', { name: 'To the end' }).click();
    await page.keyboard.press('1');
    await legend.filter({ hasText: 'free16' }).waitFor();
  });
});
