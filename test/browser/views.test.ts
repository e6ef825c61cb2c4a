/** Each view, on a cluster with one of everything. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningInspector, startInspector } from '../../src/observe/inspector/server/inspector-server.js';
import { PAGE_FOLDER, useBrowser } from './browser.js';
import { ABANDONED_CHUNKS, makeTableau, type Tableau } from './tableau.js';

const browser = useBrowser();
let tableau: Tableau;
let inspector: RunningInspector;

beforeAll(async () => {
  tableau = await makeTableau();
  inspector = await startInspector({
    source: tableau.source,
    host: '127.0.0.1',
    port: 0,
    pageFolder: PAGE_FOLDER,
  });
  tableau.shown.tick();
}, 120_000);
afterAll(async () => {
  await inspector.close();
  await tableau[Symbol.asyncDispose]();
});

const open = (view: string, width = 1280) =>
  browser.open(`${inspector.url}#/${view}`, { viewport: { width, height: 800 } });
const rows = (page: Page) => page.getByRole('listbox').getByRole('option');
const hash = (page: Page) => new URL(page.url()).hash;

describe('cluster', () => {
  test('shows the agents, which are silent, their links and the pages of each arena', async () => {
    const page = await open('cluster');
    for (const name of ['decode-0', 'decode-1', 'prefill-0', 'prefill-1', 'prefill-2']) {
      await page.getByRole('article', { name: `Agent ${name}` }).waitFor();
    }
    await page.getByRole('article', { name: 'Agent prefill-2' }).getByText('silent for').waitFor();
    await page.locator('.link-label', { hasText: 'suspect' }).waitFor();
    await page.getByText('Lines without a label: tcp').waitFor();
    expect(await page.getByRole('region', { name: 'Arena of decode-0' }).locator('.legend').textContent()).toMatch(
      new RegExp(`quarantined${ABANDONED_CHUNKS}$`),
    );
  });

  test('a page that is pressed is explained', async () => {
    const page = await open('cluster');
    const map = page.getByRole('slider', { name: 'Pages of decode-1' });
    await map.click({ position: { x: 5, y: 5 } });
    await page.getByRole('article', { name: 'page 0 at decode-1' }).waitFor();
    expect(hash(page)).toBe('#/explain?about=page&name=0&agent=decode-1');
  });
});

describe('machines', () => {
  test('an actor is drawn in its state, with wait, deadline, context and last entries', async () => {
    const page = await open(`machines?request=${tableau.requests.stuck}`);
    await rows(page).filter({ hasText: 'transfer' }).click();
    await page.locator('.chart-frame [data-state="transfer.writing"].lit').waitFor();
    expect(await page.locator('.chart-frame .lit').count()).toBe(1);
    await page.getByText('waits for fabric').last().waitFor();
    await page.locator('.clocks .deadline', { hasText: /^ends in [0-9.]+ s$/ }).waitFor();
    await page.getByRole('region', { name: 'Context' }).getByText('placements').first().waitFor();
    await page.getByRole('region', { name: 'Last entries' }).getByText('writing').first().waitFor();
  });

  test('text, agent and machine filter the list, and are in the address', async () => {
    const page = await open('machines');
    await rows(page).first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type(`${tableau.requests.stuck} FABRIC`);
    await page.getByText('1 actor', { exact: true }).waitFor();
    await page.getByRole('combobox', { name: 'Agent' }).selectOption('prefill-1');
    await page.getByRole('combobox', { name: 'Machine' }).selectOption('request');
    await page.getByText('No actor matches').waitFor();
    const text = `${tableau.requests.stuck}+FABRIC`;
    await expect.poll(() => hash(page)).toBe(`#/machines?text=${text}&agent=prefill-1&machine=request`);
    await page.getByRole('combobox', { name: 'Machine' }).selectOption('');
    await page.getByLabel('Filter by request, actor, state').press('Escape');
    await page.getByText('1 actor', { exact: true }).waitFor({ state: 'detached' });
  });

  test('the arrow keys go through the list, and the machine beside it follows', async () => {
    const page = await open('machines?agent=decode-0');
    await rows(page).first().waitFor();
    await page.getByRole('listbox', { name: 'Actors' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.locator('.split-detail h2').waitFor();
    const first = await page.locator('.split-detail h2').textContent();
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => page.locator('.split-detail h2').textContent()).not.toBe(first);
    await page.locator('.chart-frame .lit').first().waitFor();
    await page.keyboard.press('Home');
    await expect.poll(() => page.locator('.split-detail h2').textContent()).toBe(first);
  });
});

describe('requests', () => {
  test('a failure is found by its reason, and told with it', async () => {
    const page = await open('requests');
    await page.getByLabel('Reason').fill('sender_lost');
    await page.getByText('1 request', { exact: true }).waitFor();
    await rows(page).filter({ hasText: tableau.requests.lost }).click();
    await page.locator('.why', { hasText: 'failed: sender_lost' }).waitFor();
    await page.getByRole('tab', { name: 'Sequence' }).click();
    await page.locator('.note.end', { hasText: 'failed: sender_lost' }).waitFor();
  });

  test('the columns have titles, and the rows have names for screen readers', async () => {
    const page = await open(`requests?text=${tableau.requests.handedOver}`);
    await rows(page).first().waitFor();
    expect(await page.locator('.request-columns span').allTextContents()).toEqual([
      ...['Request', 'Way', 'Chunks', 'Began', 'State', 'Took'],
    ]);
    expect(await page.locator('.request-legend > div').allTextContents()).toEqual([
      ...['=already there', '+joined', '↷handed over'],
    ]);
    const name =
      /^chat-\w+, prefill-0 to decode-0, ready after \d+ ms, 8 chunks, 6 joined, 6 handed over, began [\d:.]+$/;
    expect(await rows(page).first().getAttribute('aria-label')).toMatch(name);
  });

  test('a hand-over is seen in the list, in the timeline and in the sequence', async () => {
    const page = await open(`requests?text=${tableau.requests.handedOver}`);
    await rows(page).first().click();
    const timeline = page.getByRole('region', { name: 'Timeline' });
    expect(await timeline.locator('.timeline-group h4').allTextContents()).toEqual(['prefill-0', 'NATS', 'decode-0']);
    await timeline.locator('.bar', { hasText: 'joining' }).first().waitFor();
    await timeline.locator('.mark.tone-warn').waitFor();
    await page.getByRole('tab', { name: 'Sequence' }).click();
    await page.locator('.arrow', { hasText: 'handover' }).waitFor();
    await page.locator('.note', { hasText: 'handed-over 6 chunks' }).waitFor();
    await page.locator('.note.end', { hasText: 'ready' }).waitFor();
    await page.getByRole('tab', { name: 'Entries' }).click();
    await page.getByText('join.handed-over').first().waitFor();
  });

  test('one that waits is explained: the gate, the deadline and who holds what it needs', async () => {
    const page = await open(`requests?text=${tableau.requests.queued}`);
    await rows(page).first().click();
    await page.getByRole('tab', { name: 'Explain' }).click();
    const card = page.getByRole('article', { name: /at decode-1$/ });
    await card.getByText('waits for admission').waitFor();
    await card.getByRole('link', { name: 'keep-warm' }).waitFor();
    expect(await card.locator('.deadline').count()).toBe(2);
  });

  test('a link leads to the same request, and Escape back to the list', async () => {
    const page = await open(`requests?text=${tableau.requests.joined}`);
    await rows(page).first().click();
    await expect.poll(() => hash(page)).toMatch(new RegExp(`^#/requests/[0-9a-f]{16}/${tableau.requests.joined}\\?`));
    const other = await browser.open(page.url());
    await other.getByRole('heading', { name: tableau.requests.joined }).waitFor();
    await other.keyboard.press('Escape');
    await other.getByText('No request is selected').waitFor();
  });

  test('one that nobody knows is said to be unknown', async () => {
    const page = await browser.open(`${inspector.url}#/requests/0000000000000000/nobody`, { expected: /404/ });
    await page.getByText('Nothing is known of nobody').waitFor();
  });
});

describe('explain', () => {
  test('takes what is typed for what it looks like', async () => {
    const page = await open('explain');
    await page.keyboard.press('/');
    await page.keyboard.type('12');
    expect(await page.getByRole('radio', { name: 'page' }).isChecked()).toBe(true);
    await page.keyboard.press('Enter');
    await page.getByRole('article', { name: 'page 12 at decode-0' }).waitFor();
    await page.getByLabel('Name').fill(tableau.requests.stuck);
    await page.getByText('request', { exact: true }).click();
    await page.getByRole('button', { name: 'Explain', exact: true }).click();
    await page.getByRole('article', { name: /at prefill-1$/ }).waitFor();
    await page
      .getByRole('article', { name: /at decode-0$/ })
      .getByText('What has happened')
      .waitFor();
  });

  test('says when nobody knows it', async () => {
    const page = await open('explain?about=key&name=none@1@2@3@4');
    await page.getByText('No agent knows key none@1@2@3@4').waitFor();
  });
});

describe('time', () => {
  test('the slider shows the past, in every view; live is one press away', async () => {
    const page = await open('cluster');
    await page.getByRole('article', { name: 'Agent prefill-2' }).getByText('silent for').waitFor();
    const slider = page.getByRole('slider', { name: 'Moment' });
    await slider.fill('900');
    await page.getByRole('button', { name: 'Follow live' }).waitFor();
    await page.getByText('silent for').waitFor({ state: 'detached' });
    await expect.poll(() => hash(page)).toMatch(/^#\/cluster\?at=\d+/);
    await page.keyboard.press('3');
    await expect.poll(() => hash(page)).toMatch(/^#\/requests\?at=\d+/);
    await rows(page).first().waitFor();
    await page.keyboard.press('l');
    await page.getByRole('button', { name: 'Live' }).waitFor();
    await expect.poll(() => hash(page)).toBe('#/requests');
  });

  test('steps lead from entry to entry, back and forward', async () => {
    const page = await open('requests');
    const moment = () => page.locator('.moment').textContent();
    await rows(page).first().waitFor();
    await page.keyboard.press('[');
    await page.getByRole('button', { name: 'Follow live' }).waitFor();
    const last = await moment();
    await page.keyboard.press('[');
    await expect.poll(moment).not.toBe(last);
    await page.keyboard.press(']');
    await expect.poll(moment).toBe(last);
  });

  test('a machine is drawn in the state it had then', async () => {
    const { stuck } = tableau.requests;
    const page = await open(`machines?request=${stuck}`);
    await rows(page).filter({ hasText: 'transfer' }).click();
    await page.locator('[data-state="transfer.writing"].lit').waitFor();
    const atMs = await page.evaluate(async (request) => {
      const entries = await (await fetch(`/api/entries?request=${request}`)).json();
      return entries.find((view: { entry: { to?: string } }) => view.entry.to === 'allocating').timeMs;
    }, stuck);
    await page.goto(page.url().replace('?', `?at=${atMs}&`));
    await page.locator('[data-state="transfer.allocating"].lit').waitFor();
  });
});

describe('faults', () => {
  test('take two presses, and say what came of them', async () => {
    // The answer to the second fault is an error.
    const page = await browser.open(`${inspector.url}#/cluster`, { expected: /502/ });
    await page.getByRole('button', { name: 'Faults' }).click();
    const set = page.getByRole('group', { name: 'prefill-0' });
    await set.getByRole('button', { name: 'stop' }).click();
    expect(tableau.shown.faults).toEqual([]);
    await set.getByRole('button', { name: 'stop: sure?' }).click();
    await page.getByText('prefill-0: stop for 5.0 s.').waitFor();
    expect(tableau.shown.faults).toEqual(['prefill-0 stop']);
    await set.getByRole('button', { name: 'zombie-writer' }).click();
    await set.getByRole('button', { name: 'zombie-writer: sure?' }).click();
    await page.getByText('zombie-writer failed. prefill-0 writes nothing now').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }, 20_000);
});

describe('the frame', () => {
  test('number keys lead to the views, ? lists the keys, T changes the colours and stays', async () => {
    const page = await open('cluster');
    for (const [key, name] of [
      ['2', 'Machines'],
      ['3', 'Requests'],
      ['4', 'Explain'],
      ['1', 'Cluster'],
    ] as const) {
      await page.keyboard.press(key);
      await page.getByRole('link', { name, exact: false }).and(page.locator('[aria-current="page"]')).waitFor();
    }
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    const outline = () =>
      page.evaluate(() => [
        document.activeElement?.role,
        getComputedStyle(document.activeElement ?? document.body).outlineStyle,
      ]);
    expect(await outline()).toEqual(['dialog', 'none']);
    await page.keyboard.press('Tab');
    expect(await outline()).toEqual([null, 'solid']);
    await page.keyboard.press('Escape');
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.keyboard.press('t');
    const dark = await paper();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await paper()).toBe(dark);
  });

  test('the first Tab reaches the skip link, and every control has a name', async () => {
    const page = await open('cluster');
    await page.getByRole('article').first().waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
    for (const view of ['cluster', 'machines', 'requests', 'explain']) {
      await page.goto(`${inspector.url}#/${view}`);
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll('button, a, input, select, canvas, [role="listbox"]')]
          .filter((element) => {
            const label = element.getAttribute('aria-label') ?? element.textContent ?? '';
            return label.trim() === '' && element.closest('label') === null;
          })
          .map((element) => element.outerHTML.slice(0, 100)),
      );
      expect(nameless).toEqual([]);
    }
  });

  test.each([360, 600, 840, 1000])('nothing reaches beyond a window of %i pixels', async (width) => {
    const page = await open('cluster', width);
    await page.getByRole('article').first().waitFor();
    const tooWide = () =>
      page.evaluate(() =>
        Math.max(
          document.body.scrollWidth,
          ...[...document.querySelectorAll('main, .split-detail')].map((e) => e.scrollWidth),
        ),
      );
    expect(await tooWide()).toBeLessThanOrEqual(width);
    await page.goto(`${inspector.url}#/requests?text=${tableau.requests.handedOver}`);
    await rows(page).first().click();
    await page.getByRole('region', { name: 'Timeline' }).waitFor();
    expect(await tooWide()).toBeLessThanOrEqual(width);
    await page.getByRole('tab', { name: 'Sequence' }).click();
    await page.locator('.note.end').waitFor();
    expect(await tooWide()).toBeLessThanOrEqual(width);
    await page.goto(`${inspector.url}#/machines?request=${tableau.requests.stuck}`);
    await rows(page).first().click();
    await page.locator('.chart-frame .lit').first().waitFor();
    expect(await tooWide()).toBeLessThanOrEqual(width);
    await page.goto(`${inspector.url}#/explain?about=request&name=${tableau.requests.queued}`);
    await page.getByRole('article').first().waitFor();
    expect(await tooWide()).toBeLessThanOrEqual(width);
  });
});

// Last: they change the cluster.
test('the ranks of one request are below each other, and a page of one leads to all', async () => {
  const { shown } = tableau;
  const members = [0, 1].map((rank) => ({ sender: `prefill-${rank}`, receiver: `decode-${rank}` }));
  for (const [rank, { sender, receiver }] of members.entries()) {
    shown.put(sender, receiver, shown.prompt(0, 0, 2), 'ranked', { rank, members });
  }
  await shown.wait(500);
  const page = await open('requests');
  const ranked = rows(page).filter({ hasText: 'ranked' });
  await ranked.nth(1).waitFor();
  expect(await ranked.locator('.request-rank').allTextContents()).toEqual(['rank 0 of 2', 'rank 1 of 2']);
  const [above, below] = [await ranked.nth(0).boundingBox(), await ranked.nth(1).boundingBox()];
  expect((above?.y ?? 0) + (above?.height ?? 0)).toBe(below?.y);
  await ranked.nth(1).click();
  await page.getByRole('link', { name: 'All ranks' }).click();
  await page.getByText('1 request', { exact: true }).waitFor();
  expect(await rows(page).count()).toBe(2);
});

test('a live machine shows the arrow that is taken, the new state and the end', async () => {
  const page = await open(`machines?request=${tableau.requests.stuck}`);
  await rows(page).filter({ hasText: 'transfer' }).click();
  await page.locator('[data-state="transfer.writing"].lit').waitFor();
  const taken = page.waitForFunction(
    () => document.querySelector('.taken[data-source="transfer.committing"]') !== null,
  );
  tableau.letGo();
  await tableau.shown.wait(1500);
  await taken;
  await page.locator('[data-state="transfer.committed"].lit').waitFor();
  await page.locator('.detail-head').getByText('ended').waitFor();
});
