/** Links and headings of Markdown pages, as GitHub resolves them. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The anchors of a page: those of its headings, and those written as `<a id="…">`. */
export function anchorsOf(markdown: string): Set<string> {
  const titles = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title]) => title as string);
  const ids = [...markdown.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id as string);
  return new Set([...titles.map(anchorOf), ...ids]);
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Targets of the links and images of a page that lead to other places in the repository. */
export function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, 'x');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** Whether `target` leads from the page at `path` to a file that exists and, if it names one, to a heading of that file. */
export function leadsSomewhere(path: string, target: string): boolean {
  const [file, anchor] = target.split('#', 2) as [string, string | undefined];
  const to = file === '' ? path : normalize(join(dirname(path), file));
  if (!existsSync(to)) return false;
  if (anchor === undefined || statSync(to).isDirectory()) return anchor === undefined;
  return anchorsOf(readFileSync(to, 'utf8')).has(anchor);
}
