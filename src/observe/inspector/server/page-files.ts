/** The files of the page: its own files and Preact's modules. It loads nothing else. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { PAGE_STYLE } from '../drawing/svg.js';
import { paths } from '../feed.js';

export const PAGE_FOLDER = fileURLToPath(new URL('../page', import.meta.url));
/** A line of `style.css` that names one part of the style sheet. */
const STYLE_PART = /^@import url\("([^"]+)"\) layer\((\w+)\);$/gm;
const PREACT_FOLDER = dirname(fileURLToPath(import.meta.resolve('preact/package.json')));

/** `folder`: the folder of the compiled page. */
export async function servePage(app: FastifyInstance, folder: string): Promise<void> {
  await app.register(fastifyStatic, { root: folder });
  await app.register(fastifyStatic, {
    root: PREACT_FOLDER,
    prefix: '/vendor/preact/',
    decorateReply: false,
    index: false,
    allowedPath: (path) => path.endsWith('.mjs'),
  });
  // The page shares this module with the server, one folder up.
  app.get('/feed.js', (_, reply) => reply.sendFile('feed.js', dirname(folder)));
  app.get('/style.css', (_, reply) => reply.type('text/css').send(styleSheet(folder)));
  app.get(paths.drawingStyle, (_, reply) => reply.type('text/css').send(PAGE_STYLE));
}

/** The page's style sheet with its parts put in place of their imports, so that a browser loads one file and not forty. */
export function styleSheet(folder: string): string {
  return readIn(folder, 'style.css').replaceAll(STYLE_PART, (_, file: string, layer: string) => {
    const rules = `/${file}` === paths.drawingStyle ? PAGE_STYLE : readIn(folder, file);
    return `@layer ${layer} {\n${rules}}`;
  });
}

/** What a browser may load and run for the page in `folder`. The page contains its import map, allowed by its hash. */
export function contentSecurityPolicy(folder: string): string {
  const importMap = /<script type="importmap">([\s\S]*?)<\/script>/.exec(readIn(folder, 'index.html'))?.[1] ?? '';
  const hash = createHash('sha256').update(importMap).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function readIn(folder: string, file: string): string {
  try {
    return readFileSync(join(folder, file), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // The page is not compiled. The API works without it.
    return '';
  }
}
