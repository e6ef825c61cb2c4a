/** The prose of a file: documentation without its code; comments and strings of a program. */
import { extname } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';
import { habits, SENTENCE_WORDS_MAX } from './words.js';

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly found: string;
  readonly better: string;
}

interface Piece {
  /** Offset in the file. */
  readonly start: number;
  readonly text: string;
}

/** Words of a program that its texts should not use. For Markdown also sentences that are too long. */
export function findingsIn(path: string, source: string): Finding[] {
  const isMarkdown = extname(path) === '.md';
  const pieces = isMarkdown ? [{ start: 0, text: withoutCode(source) }] : piecesOf(path, source);
  const words = pieces.flatMap((piece) => habitsIn(path, source, piece));
  return isMarkdown ? [...words, ...longSentencesIn(path, source)] : words;
}

function habitsIn(path: string, source: string, { start, text }: Piece): Finding[] {
  // A phrase may go on in the next line of a comment or paragraph.
  const joined = text.replaceAll(/\n[ \t]*(?:\*|\/\/|>)?/g, (gap) => ' '.repeat(gap.length));
  return habits.flatMap(({ pattern, better }) =>
    [...joined.matchAll(spaced(pattern))].map((match) => ({
      path,
      line: lineOf(source, start + match.index),
      found: match[0].replaceAll(/\s+/g, ' '),
      better,
    })),
  );
}

/** The pattern, with any white space where it has a space. */
function spaced({ source, flags }: RegExp): RegExp {
  return new RegExp(source.replaceAll(' ', '\\s+'), flags);
}

function lineOf(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}

/**
 * Markdown without code, comments, link targets and quotes that begin with `Bad:`, which are examples of bad style. They are
 * blanked out, so every other character keeps its offset.
 */
function withoutCode(markdown: string): string {
  const blank = (code: string) => code.replaceAll(/[^\n]/g, ' ');
  return markdown
    .replaceAll(/^```[\s\S]*?^```$/gm, blank)
    .replaceAll(/<!--[\s\S]*?-->/g, blank)
    .replaceAll(/^> Bad:.*(?:\n> .*)*/gm, blank)
    .replaceAll(/`[^`\n]*`/g, (code) => `x${blank(code.slice(1))}`)
    .replaceAll(/\]\([^)]*\)/g, blank);
}

function longSentencesIn(path: string, source: string): Finding[] {
  const prose = withoutCode(source);
  const findings: Finding[] = [];
  for (const { index, 0: paragraph } of prose.matchAll(/(?:^(?![ \t]*(?:[|#]|$)).*\n?)+/gm)) {
    for (const part of paragraph.split(/^(?=[ \t]*(?:[-*]|\d+\.)[ \t])/m)) {
      for (const sentence of part.split(/(?<=[.!?:;])["”)*]*\s+/)) {
        const words = sentence.match(/[\p{L}\p{N}][^\s]*/gu) ?? [];
        if (words.length <= SENTENCE_WORDS_MAX) continue;
        const line = lineOf(source, index + Math.max(0, paragraph.indexOf(sentence)));
        const found = `${words.length} words: ${words.slice(0, 6).join(' ')} …`;
        findings.push({ path, line, found, better: `at most ${SENTENCE_WORDS_MAX} words in a sentence` });
      }
    }
  }
  return findings;
}

function piecesOf(path: string, source: string): Piece[] {
  if (extname(path) === '.py') return pythonPiecesOf(source);
  return ['.cc', '.h'].includes(extname(path)) ? cppPiecesOf(source) : scriptPiecesOf(path, source);
}

function cppPiecesOf(source: string): Piece[] {
  const pattern = /\/\/[^\n]*(?:\n[ \t]*\/\/[^\n]*)*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g;
  return [...source.matchAll(pattern)].map(({ index, 0: text }) => ({ start: index, text }));
}

function pythonPiecesOf(source: string): Piece[] {
  const pattern = /"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|#[^\n]*/g;
  return [...source.matchAll(pattern)].map(({ index, 0: text }) => ({ start: index, text }));
}

function scriptPiecesOf(path: string, source: string): Piece[] {
  const { program, comments, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} cannot be parsed: ${errors[0]?.message}`);
  const pieces: Piece[] = comments.map(({ start, end }) => ({ start, text: source.slice(start, end) }));
  const add = ({ start, end }: { start: number; end: number }) => {
    pieces.push({ start, text: source.slice(start, end) });
  };
  new Visitor({
    Literal: (node) => {
      if (typeof node.value === 'string') add(node);
    },
    TemplateElement: add,
    JSXText: add,
  }).visit(program);
  return pieces;
}
