// What both parts of the sanitizer run need: programs that print what they do, and the runtimes of gcc.
import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';

export function say(line) {
  process.stderr.write(`sanitizers: ${line}\n`);
}

/** Runs a program, whose output goes to stderr. Resolves with its exit code, or with the signal that ended it. */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
    const pieces = [];
    child.stdout.on('data', (piece) => {
      pieces.push(piece);
      process.stderr.write(piece);
    });
    child.on('error', (error) => resolve({ ended: String(error), output: '' }));
    child.on('close', (code, signal) => resolve({ ended: signal ?? code, output: Buffer.concat(pieces).toString() }));
  });
}

/** The path of a runtime library of gcc, such as `libasan.so`. */
export function runtimeOf(name) {
  const file = execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  if (path.isAbsolute(file)) return file;
  throw new Error(`gcc has no ${name}: install its sanitizers (on Debian they belong to g++)`);
}
