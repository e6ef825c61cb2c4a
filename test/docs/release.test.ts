/** docs/release.md: the parts of a release have one version. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

function versionIn(path: string, pattern: RegExp): string | undefined {
  return pattern.exec(read(path))?.[1];
}

test('package, lock file, Python client, chart and changelog have one version', () => {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  const lock = JSON.parse(read('package-lock.json')) as {
    readonly version: string;
    readonly packages: Readonly<Record<string, { readonly version: string }>>;
  };
  expect({
    lock: [lock.version, lock.packages['']?.version],
    python: versionIn('clients/python/pyproject.toml', /^version = "(.+)"$/m),
    chart: versionIn('deploy/helm/kvferry/Chart.yaml', /^version: (.+)$/m),
    app: versionIn('deploy/helm/kvferry/Chart.yaml', /^appVersion: (.+)$/m),
    changelog: versionIn('CHANGELOG.md', /^## (\S+)/m),
    page: versionIn('docs/release.md', /npm install \.\/kvferry-(.+)\.tgz/),
  }).toEqual({
    lock: [version, version],
    python: version,
    chart: version,
    app: version,
    changelog: version,
    page: version,
  });
});
