/** A real Chromium, and pages of it in which nothing may go wrong unseen. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where Chromium is. */
    readonly chromium: string;
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The page as it is built; `npm run test:browser` builds it before. */
export const PAGE_FOLDER = path.join(ROOT, 'dist/src/observe/inspector/page');

export const wide = { width: 1280, height: 800 };
export const narrow = { width: 390, height: 844 };

/** For anything to appear. */
const WAIT_MS = 20_000;

export interface OpenOptions {
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly theme?: 'light' | 'dark';
  /** What the page may complain about in this test: requests that fail on purpose. */
  readonly expected?: RegExp;
  /** The page's own clock stands still: what counts by itself is the same in every picture. */
  readonly frozen?: boolean;
}

/** Starts a browser for the tests of one file. `open` opens pages that are closed after their test. */
export function useBrowser(): { open(url: string, options?: OpenOptions): Promise<Page> } {
  let browser: Browser | undefined;
  const close: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    // Its sandbox refuses to work for root, as in most containers.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({
      executablePath: inject('chromium'),
      args: [...args, '--disable-gpu', '--font-render-hinting=none'],
    });
  });
  afterEach(async () => {
    for (const end of close.splice(0)) await end();
  });
  afterAll(async () => {
    await browser?.close();
  });
  return {
    open: async (url, options = {}) => {
      const settings: BrowserContextOptions = {
        viewport: options.viewport ?? wide,
        colorScheme: options.theme ?? 'light',
        reducedMotion: 'reduce',
        timezoneId: 'UTC',
        locale: 'en-US',
      };
      const context = await (browser as Browser).newContext(settings);
      context.setDefaultTimeout(WAIT_MS);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(`${error.stack ?? error.message}`));
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      page.on('request', (request) => {
        const { origin, protocol } = new URL(request.url());
        if (origin !== new URL(url).origin && protocol !== 'data:') complaints.push(`asked ${request.url()}`);
      });
      if (options.frozen) await page.addInitScript('performance.now = () => 1000;');
      close.push(async () => {
        await context.close();
        const wrong = complaints.filter((text) => options.expected?.test(text) !== true);
        expect(wrong, 'what the page complained about').toEqual([]);
      });
      await page.goto(url);
      return page;
    },
  };
}

/** Pictures for the documentation are only written when that is asked for; else they go where nobody tracks them. */
const PICTURES = process.env['KVFERRY_SCREENSHOTS'] === 'docs' ? 'docs/inspector' : 'build/inspector';

export async function picture(page: Page, name: string): Promise<void> {
  const folder = path.join(ROOT, PICTURES);
  mkdirSync(folder, { recursive: true });
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await page.screenshot({ path: path.join(folder, `${name}.png`), animations: 'disabled', caret: 'hide' });
}
