/** The machine this process runs on. */
import { lookup } from 'node:dns/promises';
import { accessSync, constants, existsSync, readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, cpus, networkInterfaces } from 'node:os';
import { basename } from 'node:path';
import { isErrnoException } from './errno.js';
import type { NetworkAddress, System } from './system.js';

/** `TMPFS_MAGIC` of statfs(2). */
const TMPFS_TYPE = 0x01021994;

export const localSystem: System = {
  nodeVersion: process.version,
  get processors() {
    return cpus().length;
  },
  get processorsUsable() {
    return availableParallelism();
  },
  get addresses() {
    return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
      addresses.map(({ address, internal }): NetworkAddress => ({ interface: name, address, isInternal: internal })),
    );
  },
  read: (path) => unlessRefused(() => readFileSync(path, 'utf8').trim()),
  list: (path) => unlessRefused(() => readdirSync(path).sort()) ?? [],
  linked: (path) => unlessRefused(() => basename(readlinkSync(path))),
  exists: (path) => existsSync(path),
  mayUse: (path) =>
    unlessRefused(() => {
      accessSync(path, constants.R_OK | constants.W_OK);
      return true;
    }) ?? false,
  fileSystem: (path) =>
    unlessRefused(() => {
      const { type, bsize, blocks, bavail } = statfsSync(path);
      return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, isTmpfs: type === TMPFS_TYPE };
    }),
  resolve: async (host) => {
    try {
      return (await lookup(host, { all: true })).map(({ address }) => address);
    } catch (error) {
      if (isErrnoException(error)) return [];
      throw error;
    }
  },
  whyNotListen: (host, port) =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', (error) => resolve(isErrnoException(error) ? error.code : error.message));
      server.listen({ host, port }, () => server.close(() => resolve(undefined)));
    }),
};

/** Undefined when the system refuses. Files in /proc and /sys depend on kernel and devices. */
function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isErrnoException(error)) return undefined;
    throw error;
  }
}
