// Finds out what this machine has installed. It starts no process, so every run of set-up can afford it.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** Debian installs servers into /usr/sbin, which is not in the PATH of an ordinary user. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin'];

export function findProgram(name, moreFolders = []) {
  if (path.isAbsolute(name)) return existsSync(name) ? name : undefined;
  const folders = [...(process.env.PATH ?? '').split(path.delimiter).filter(Boolean), ...moreFolders];
  return folders
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const findNatsServer = () => findProgram('nats-server', SERVER_FOLDERS);

const findCompiler = () =>
  process.env.CXX ? findProgram(process.env.CXX) : (findProgram('g++') ?? findProgram('clang++'));

/** The browser for the tests of the inspector's page: `KVFERRY_CHROMIUM` if it is set, otherwise an installed Chromium. */
export function findChromium() {
  const named = process.env.KVFERRY_CHROMIUM;
  return named ? findProgram(named) : (findProgram('chromium') ?? findProgram('chromium-browser'));
}

function findLibfabricHeaders() {
  const folders = [
    ...(process.env.CPATH ?? '').split(path.delimiter).filter(Boolean),
    '/usr/local/include',
    '/usr/include',
  ];
  return folders.map((folder) => path.join(folder, 'rdma/fabric.h')).find((file) => existsSync(file));
}

export const nativeAddonFile = (root) => path.join(root, 'build/Release/kvferry_native.node');

/**
 * The programs and libraries that the project needs from the system. `debian` is the package that contains one, and `service`
 * is the service that this package starts. `onlyFor` names the tests that need it; without `onlyFor` the demo needs it too.
 */
export function systemNeeds() {
  return [
    {
      name: 'a C++ compiler and make',
      purpose: 'the native addon',
      debian: 'build-essential',
      present: findCompiler() !== undefined && findProgram('make') !== undefined,
      toBuild: true,
    },
    {
      name: 'Python 3',
      purpose: 'the native addon (node-gyp)',
      debian: 'python3',
      present: findProgram('python3') !== undefined,
      toBuild: true,
    },
    {
      // Without libfabric the addon still builds. It then offers only the providers that need no library.
      name: 'libfabric with headers',
      purpose: 'RDMA and the other providers of libfabric',
      debian: 'libfabric-dev',
      present: findLibfabricHeaders() !== undefined,
      toBuild: false,
    },
    {
      name: 'nats-server',
      purpose: 'the demo and the integration tests',
      debian: 'nats-server',
      service: 'nats-server.service',
      present: findNatsServer() !== undefined,
      toBuild: false,
    },
    {
      name: 'promtool',
      purpose: 'the tests of metrics and alert rules',
      debian: 'prometheus',
      service: 'prometheus.service',
      present: findProgram('promtool') !== undefined,
      toBuild: false,
      onlyFor: 'tests',
    },
    {
      name: 'libfaketime',
      purpose: 'clock steps in the chaos run',
      debian: 'faketime',
      present: findProgram('faketime') !== undefined,
      toBuild: false,
      onlyFor: 'chaos',
    },
    {
      name: 'Chromium',
      purpose: "the tests of the inspector's page",
      debian: 'chromium',
      present: findChromium() !== undefined,
      toBuild: false,
      // Chromium is large, so only the tests that need it install it.
      onlyFor: 'browser',
    },
    ...rdmaNeeds(),
  ];
}

export function isDebian() {
  if (process.platform !== 'linux' || findProgram('apt-get') === undefined) return false;
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/** What boots other kernels with a software RDMA device, and uses that device: `npm run test:rdma`. */
function rdmaNeeds() {
  const need = (name, debian, present) => ({
    name,
    purpose: 'the tests on an RDMA device',
    debian,
    present,
    toBuild: false,
    onlyFor: 'rdma',
  });
  return [
    need('QEMU for x86-64', 'qemu-system-x86', findProgram('qemu-system-x86_64') !== undefined),
    need('a static busybox', 'busybox-static', isStatic(findProgram('busybox'))),
    need('cpio', 'cpio', findProgram('cpio') !== undefined),
    need('xz', 'xz-utils', findProgram('xz') !== undefined),
    need('rdma', 'iproute2', findProgram('rdma', SERVER_FOLDERS.concat('/sbin')) !== undefined),
    need('the user-space drivers of RDMA devices', 'ibverbs-providers', existsSync('/etc/libibverbs.d/rxe.driver')),
  ];
}

/** A program without a dynamic loader runs in a file system without libraries. */
function isStatic(file) {
  return file !== undefined && !readFileSync(file).includes('/ld-linux');
}

/** The version of the installed libfabric. A new version has new headers, so the addon must be built again. */
export function libfabricFact() {
  const header = findLibfabricHeaders();
  if (header === undefined) return 'none';
  const text = readFileSync(header, 'utf8');
  return ['MAJOR', 'MINOR'].map((part) => new RegExp(`#define FI_${part}_VERSION (\\d+)`).exec(text)?.[1]).join('.');
}
