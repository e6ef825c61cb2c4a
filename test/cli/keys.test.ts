/** The command line of `kvferry keys`: what it prints, and what it never prints. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { rightsOf, roles } from '../../src/protocol/permissions.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

const work = mkdtempSync(join(tmpdir(), 'kvferry-keys-cli-'));
const directory = join(work, 'keys');

afterAll(() => rmSync(work, { recursive: true }));

async function keys(...args: string[]) {
  const terminal = new RecordedTerminal();
  await runProgram(['keys', ...args], terminal);
  return { out: terminal.stdout.join('\n'), err: terminal.stderr.join('\n'), exitCode: terminal.exitCode };
}

describe('kvferry keys', () => {
  test('--json → the files with their states, and the rights of each role', async () => {
    const { out, err, exitCode } = await keys('--directory', directory, '--user', 'tester:load', '--json');
    expect({ err, exitCode }).toEqual({ err: '', exitCode: 0 });
    const { files, roles: rows } = JSON.parse(out);
    expect(rows).toEqual(roles.map((role) => ({ role, ...rightsOf(role) })));
    expect(files).toContainEqual({ path: 'users/load.creds', state: 'made' });
  });

  test('without --json → a row for each right, and no key', async () => {
    const { out } = await keys('--directory', directory);
    const rows = out.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(rows).toContainEqual(['signing/router.nk', 'kept']);
    expect(rows).toContainEqual(['observer', 'publish', 'kvferry.v2.agent.*._all.status']);
    const secrets = readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:nk|creds)$|-key\.pem$/.test(name))
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').match(/S[OAU][A-Z2-7]{56}|MIG[\w+/]{60}/g) ?? []);
    expect(secrets.length).toBeGreaterThan(roles.length);
    expect(secrets.filter((secret) => out.includes(secret))).toEqual([]);
  });

  test('issue → the path of the new file, in the directory that the command names', async () => {
    const user = ['--role', 'router', '--name', 'router-2', '--tenant', 'team-a'];
    const { out, exitCode } = await keys('issue', '--directory', directory, ...user);
    const path = join(directory, 'users/router-2.creds');
    expect([out, exitCode]).toEqual([`${path}: user router-2, role router`, 0]);
    const again = await keys('issue', '--directory', directory, ...user);
    expect([again.exitCode, again.err]).toEqual([2, expect.stringContaining(`the file ${path} is there already`)]);
  });

  test('revoke → the user, what to do next, and no file of the user', async () => {
    await keys('issue', '--directory', directory, '--role', 'router', '--name', 'router-3');
    const { out, exitCode } = await keys('revoke', '--directory', directory, '--name', 'router-3');
    expect([out, exitCode]).toEqual([expect.stringMatching(/^user router-3 is revoked; send .* SIGHUP/), 0]);
    expect(readdirSync(join(directory, 'users'))).not.toContain('router-3.creds');
    const again = await keys('revoke', '--directory', directory, '--name', 'router-3');
    expect([again.exitCode, again.err]).toEqual([2, expect.stringContaining('router-3.creds cannot be read')]);
  });

  test('revoke with neither a name nor a file, or with both → a usage error', async () => {
    const neither = await keys('revoke', '--directory', directory);
    expect(neither).toMatchObject({ exitCode: 2, err: expect.stringContaining("'--name <name>' or '--creds <file>'") });
    const both = await keys('revoke', '--directory', directory, '--name', 'a', '--creds', 'b');
    expect(both).toMatchObject({ exitCode: 2, err: expect.stringContaining('cannot be used with') });
  });

  test('no directory, or an unknown role → a usage error', async () => {
    expect(await keys()).toMatchObject({ exitCode: 2, err: expect.stringContaining('--directory') });
    const unknown = await keys('issue', '--directory', directory, '--role', 'root', '--name', 'r');
    expect(unknown).toMatchObject({ exitCode: 2, err: expect.stringContaining('there is no role "root"') });
  });
});
