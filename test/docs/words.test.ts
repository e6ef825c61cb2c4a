/** The house's words: documentation, comments, messages and names of tests use plain English (CONTRIBUTING.md). */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { findingsIn } from '../../scripts/docs/prose.js';

const ROOMS = ['docs', 'machines', 'src', 'bench', 'clients', 'scripts', 'test'];
const PAGES = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md'];
const ENDINGS = /\.(?:md|ts|tsx|mjs|cc|h|py)$/;
/** This file shows the words that it looks for. */
const EXEMPT = 'test/docs/words.test.ts';

function filesOf(room: string): string[] {
  const paths = readdirSync(room, { recursive: true, encoding: 'utf8' }).map((path) => `${room}/${path}`);
  return paths.filter((path) => ENDINGS.test(path) && !path.includes('node_modules') && path !== EXEMPT).sort();
}

/** Findings as lines that an editor can follow. */
function shown(path: string, source: string): string[] {
  return findingsIn(path, source).map(({ line, found, better }) => `${path}:${line} ${found} → ${better}`);
}

describe('the texts of the repository', () => {
  test.each(ROOMS)('every text in %s is plain English', (room) => {
    expect(filesOf(room).flatMap((path) => shown(path, readFileSync(path, 'utf8')))).toEqual([]);
  });

  test.each(PAGES)('the page %s is plain English', (path) => {
    expect(shown(path, readFileSync(path, 'utf8'))).toEqual([]);
  });
});

describe('the check of words', () => {
  test.each([
    ['whoever listens', 'whoever'],
    ['somebody else, or anybody', 'somebody'],
    ['it is made anew', 'anew'],
    ['the agent shall get the bytes', 'shall'],
    ['a dearer message', 'dearer'],
    ['for want of pages', 'for want of'],
    ['Besides, it works', 'Besides'],
    ['it holds nobody for lost', 'holds nobody for lost'],
    ['a peer is held for dead', 'held for dead'],
    ['after nearly three silent heartbeats', 'nearly three silent heartbeats'],
    ['until it has the word', 'has the word'],
    ['it is told the end', 'is told'],
    ['it cannot be had', 'cannot be had'],
    ['the key is to be revoked', 'is to be revoked'],
    ['how often it says that it lives', 'says that it lives'],
    ['nothing of it is leased', 'nothing of it'],
  ])('a text with "%s" → found', (text, found) => {
    expect(findingsIn('a.md', `One line.\n\n${text}\n`)[0]).toMatchObject({ path: 'a.md', line: 3, found });
  });

  test('a phrase over two lines of a comment → found', () => {
    expect(shown('a.ts', '/**\n * The peer is held\n * for dead.\n */\nexport const a = 1;\n')).toEqual([
      'a.ts:2 held for dead → declared dead',
    ]);
  });

  test('a string, a template and JSX text → found; names in the code are not', () => {
    const template = ['`', '{shall} anew`'].join('$');
    const source = `const shall = 1;\nconst text = 'it shall';\nconst more = ${template};\nconst tsx = <p>whoever</p>;\n`;
    expect(shown('a.tsx', source)).toEqual([
      'a.tsx:2 shall → must, will',
      'a.tsx:3 anew → again',
      'a.tsx:4 whoever → name the actor: the router, the sender, an operator',
    ]);
  });

  test('a comment and a string of C++ → found', () => {
    expect(shown('a.cc', 'int a = 1\'000; // whoever\nthrow Error("it shall");\n')).toEqual([
      'a.cc:1 whoever → name the actor: the router, the sender, an operator',
      'a.cc:2 shall → must, will',
    ]);
  });

  test('a docstring, a string and a comment of Python → found', () => {
    const source = 'shall = 1  # whoever\n"""It shall\nbe."""\ntext = f"made anew"\n';
    expect(shown('a.py', source)).toEqual([
      'a.py:1 whoever → name the actor: the router, the sender, an operator',
      'a.py:2 shall → must, will',
      'a.py:4 anew → again',
    ]);
  });

  test('a quoted example of bad style in Markdown → not found', () => {
    expect(shown('a.md', '> Good: again\n>\n> Bad: anew,\n> anew\n\nanew\n')).toEqual(['a.md:6 anew → again']);
  });

  test('code in Markdown → not found', () => {
    expect(shown('a.md', 'Use `shall` and [this](whoever.md).\n\n```sh\nanew\n```\n')).toEqual([]);
  });

  test('a sentence of 40 words → found; two of 20 are not', () => {
    const words = (count: number) => `${Array.from({ length: count }, () => 'word').join(' ')}.`;
    expect(shown('a.md', `- ${words(40)}\n`)).toEqual([
      'a.md:1 40 words: word word word word word word … → at most 28 words in a sentence',
    ]);
    expect(shown('a.md', `${words(20)}\n${words(20)}\n`)).toEqual([]);
  });
});
