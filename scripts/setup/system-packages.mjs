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

const installCommand = (packages) => `apt-get update && apt-get install -y --no-install-recommends ${packages}`;

const debianNames = (needs) => needs.map((need) => need.debian).join(' ');

/** What this machine lacks of what every command needs, and of what is only for one that `also` names. */
function findMissing(also) {
  return systemNeeds().filter((need) => !need.present && (need.onlyFor === undefined || also.includes(need.onlyFor)));
}

const stampFileOf = (root) => path.join(root, 'build/.kvferry-system-packages');

/** As `privilege`; undefined also when an attempt to install the same packages has just failed. */
async function privilegeToInstall(root, missing) {
  if (missing.length === 0 || !isDebian()) return undefined;
  const [triedPackages, triedAt] = (readStamp(stampFileOf(root)) ?? '').split('\n');
  const triedLately = triedPackages === debianNames(missing) && Date.now() - Number(triedAt) < RETRY_AFTER_MS;
  return triedLately ? undefined : privilege();
}

export async function planSystemPackages(root, { also }) {
  const missing = findMissing(also);
  const prefix = await privilegeToInstall(root, missing);
  if (prefix === undefined) return undefined;
  return `install the Debian packages ${debianNames(missing)} (apt-get, as root)`;
}

export async function installSystemPackages(root, { also }) {
  const missing = findMissing(also);
  if (missing.length === 0) return true;
  if (!isDebian()) {
    sayMissing(missing);
    say('install what is missing with the package manager of this system, then run the command again');
    return false;
  }

  const prefix = await privilegeToInstall(root, missing);
  if (prefix === undefined) {
    sayMissing(missing);
    say(`to install it, run as root: ${installCommand(debianNames(missing))}`);
    return false;
  }

  return installPackages(root, prefix, missing, also);
}

async function installPackages(root, prefix, missing, also) {
  const packages = missing.map((need) => need.debian);
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

  const left = findMissing(also);
  if (left.length === 0) {
    end();
    return true;
  }
  end('failed');
  showDetails(update.ok ? install.output : update.output + install.output);
  sayMissing(left);
  say(`to install it, run as root: ${installCommand(debianNames(left))}`);
  writeStamp(stampFileOf(root), `${debianNames(left)}\n${Date.now()}`);
  return false;
}
