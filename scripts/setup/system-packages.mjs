// Installs missing Debian packages if that needs no password. Otherwise prints the command that installs them.
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { readStamp, writeStamp } from './digest.mjs';
import { findProgram, isDebian, systemNeeds } from './machine.mjs';
import { begin, say, showDetails } from './report.mjs';
import { run } from './run.mjs';

/** After a failed installation (no network, unknown package), the next runs of set-up do not try again for this time. */
const RETRY_AFTER_MS = 60 * 60_000;
const DPKG_LOCK_SECONDS_MAX = 300;

/** The command prefix with which `apt-get` may install, or undefined when sudo asks for a password. */
async function privilege() {
  if (process.getuid?.() === 0) return [];
  if (findProgram('sudo') === undefined) return undefined;
  return (await run('sudo', ['-n', 'true'])).ok ? ['sudo', '-n'] : undefined;
}

async function aptGet(prefix, args) {
  const words = [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-y',
    '-o',
    `DPkg::Lock::Timeout=${DPKG_LOCK_SECONDS_MAX}`,
    ...args,
  ];
  return run(words[0], words.slice(1));
}

/** Debian starts every server that it installs. The tests need only the program, which they start on a free port. */
async function stopInstalledServers(prefix, services) {
  if (services.length === 0 || !existsSync('/run/systemd/system')) return;
  const words = [...prefix, 'systemctl', 'disable', '--now', ...services];
  await run(words[0], words.slice(1));
}

function sayMissing(missing) {
  for (const need of missing) say(`missing: ${need.name}, for ${need.purpose}`);
}

const installCommand = (packages) =>
  `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;

/** `also`: for what more than the demo (`onlyFor` of `systemNeeds`). */
export async function installSystemPackages(root, { also }) {
  const findMissing = () =>
    systemNeeds().filter((need) => !need.present && (need.onlyFor === undefined || also.includes(need.onlyFor)));
  const missing = findMissing();
  if (missing.length === 0) return true;
  if (!isDebian()) {
    sayMissing(missing);
    say('install what is missing with the package manager of this system, then run the command again');
    return false;
  }

  const packages = missing.map((need) => need.debian);
  const stampFile = path.join(root, 'build/.kvferry-system-packages');
  const [triedPackages, triedAt] = (readStamp(stampFile) ?? '').split('\n');
  const triedLately = triedPackages === packages.join(' ') && Date.now() - Number(triedAt) < RETRY_AFTER_MS;
  const prefix = triedLately ? undefined : await privilege();
  if (prefix === undefined) {
    sayMissing(missing);
    say(`to install it, run as root: ${installCommand(packages)}`);
    return false;
  }

  const end = begin(`installing Debian packages ${packages.join(' ')}`);
  // A package source that cannot be reached does not stop the installation. Its error is shown if the installation fails.
  const update = await aptGet(prefix, ['update', '-o', 'APT::Update::Error-Mode=any']);
  let install = await aptGet(prefix, ['install', '--no-install-recommends', ...packages]);
  if (!install.ok && packages.length > 1) {
    // If this Debian release lacks one of the packages, the others must still be installed.
    for (const name of packages) {
      const one = await aptGet(prefix, ['install', '--no-install-recommends', name]);
      if (!one.ok) install = one;
    }
  }
  await stopInstalledServers(
    prefix,
    missing.flatMap((need) => need.service ?? []),
  );

  const left = findMissing();
  if (left.length === 0) {
    end();
    return true;
  }
  end('failed');
  showDetails(update.ok ? install.output : update.output + install.output);
  sayMissing(left);
  say(`to install it, run as root: ${installCommand(left.map((need) => need.debian))}`);
  writeStamp(stampFile, `${left.map((need) => need.debian).join(' ')}\n${Date.now()}`);
  return false;
}
