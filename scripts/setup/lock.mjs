// Only one set-up at a time may run in a folder, such as a checkout. The lock is a listening local socket. The system removes the socket whenever
// its process ends, so a lock never becomes stale.
import { createHash } from 'node:crypto';
import { realpathSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { say } from './report.mjs';

const WAIT_MS_MAX = 30 * 60_000;
const RETRY_MS = 50;

function address(root) {
  const key = createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 16);
  const name = `kvferry-setup-${process.getuid?.() ?? 0}-${key}`;
  // Linux has socket names outside the file system. Elsewhere the socket is a file, which can outlive its process.
  return process.platform === 'linux' ? `\0${name}` : path.join(os.tmpdir(), `${name}.sock`);
}

/** The held lock, or undefined if another process has it. */
function tryLock(at) {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(at, () => resolve(server));
  });
}

/** Resolves when the present holder releases the lock. */
function holderGone(at) {
  return new Promise((resolve) => {
    const connection = net.connect(at);
    const timer = setTimeout(() => connection.destroy(), WAIT_MS_MAX);
    connection.on('error', (error) => {
      // A socket file that outlived its process refuses connections. An abstract name disappears with its process.
      if (error.code === 'ECONNREFUSED' && !at.startsWith('\0')) unlinkSync(at);
    });
    connection.on('close', () => {
      clearTimeout(timer);
      setTimeout(resolve, RETRY_MS);
    });
  });
}

/** `what` the lock protects, in words. */
export async function withLock(root, body, what = 'this checkout') {
  const at = address(root);
  const deadline = Date.now() + WAIT_MS_MAX;
  const waiting = new Set();
  let told = false;
  for (;;) {
    const server = await tryLock(at);
    if (server) {
      server.on('connection', (connection) => {
        waiting.add(connection);
        connection.on('error', () => connection.destroy());
        connection.on('close', () => waiting.delete(connection));
      });
      try {
        return await body();
      } finally {
        server.close();
        for (const connection of waiting) connection.destroy();
      }
    }
    if (Date.now() > deadline) throw new Error(`another set-up of ${what} has been running for too long`);
    if (!told) say(`waiting for another set-up of ${what}`);
    told = true;
    await holderGone(at);
  }
}
