/** The files of the page: its own files and Preact's modules. It loads nothing else. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { PAGE_STYLE } from '../drawing/svg.js';
import { paths } from '../feed.js';

export const PAGE_FOLDER = fileURLToPath(new URL('../page', import.meta.url));
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
  app.get(paths.drawingStyle, (_, reply) => reply.type('text/css').send(PAGE_STYLE));
}

/** What a browser may load and run for the page in `folder`. Its import map stands in the page itself, and is known by its hash. */
export function contentSecurityPolicy(folder: string): string {
  const importMap = /<script type="importmap">([\s\S]*?)<\/script>/.exec(pageIn(folder))?.[1] ?? '';
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

function pageIn(folder: string): string {
  try {
    return readFileSync(`${folder}/index.html`, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // The page is not compiled. The API works without it.
    return '';
  }
}
