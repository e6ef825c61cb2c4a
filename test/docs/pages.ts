/** The pages that people read, as text, and what can be found in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Every Markdown page of the repository. */
export function pages(): Page[] {
  const inFolder = (folder: string, recursive: boolean) =>
    readdirSync(folder, { recursive, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  const paths = [
    ...inFolder('.', false),
    ...['machines', 'clients', 'docs'].flatMap((folder) => inFolder(folder, true)),
  ];
  return paths.sort().map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

/** The text of each fenced block in one of these languages. */
export function blocks(text: string, ...languages: string[]): string[] {
  return [...text.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)]
    .filter(([, language]) => languages.includes(language as string))
    .map(([, , body]) => body as string);
}

/** The text without its fenced blocks. */
export function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '');
}

/** Targets of links and pictures that lie in the repository, from its root: `docs/chaos.md#failpoints`. */
export function localLinks({ path, text }: Page): string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target as string)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => (target.startsWith('#') ? `${path}${target}` : normalize(join(dirname(path), target))));
}

/** The anchors that GitHub makes of the headings of a page. */
export function anchors(text: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading] of prose(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = (heading as string).replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    let name = anchor;
    for (let copy = 1; found.has(name); copy += 1) name = `${anchor}-${copy}`;
    found.add(name);
  }
  return found;
}

const FOLDERS = 'src|clients|machines|test|scripts|docs|bench|deploy|build|node_modules|\\.ci';

/** Files and folders of the repository that the page names in code font. */
export function namedPaths(text: string): string[] {
  return [...prose(text).matchAll(new RegExp(`\`((?:${FOLDERS})/[\\w./@-]*)\``, 'g'))].map(
    ([, name]) => name as string,
  );
}
