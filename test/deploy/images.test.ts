import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const compose = read('docker-compose.yml');
const dockerfile = read('Dockerfile');

test('each image has an exact version and a digest', () => {
  const images = [...compose.matchAll(/\$\{(?:\w+_IMAGE):-([^}]+)\}/g)].map(([, image]) => image);
  const others = images.filter((image) => image !== 'kvferry:local');
  expect(others).toHaveLength(4);
  expect(others.filter((image) => !/:v?\d+\.\d+\.\d+[\w-]*@sha256:[0-9a-f]{64}$/.test(image ?? ''))).toEqual([]);
});

test('docker-compose.yml and Dockerfile build on the same image', () => {
  const [, wanted] = /\$\{BASE_IMAGE:-([^}]+)\}/.exec(compose) ?? [];
  const [, fallback] = /^ARG BASE_IMAGE=(\S+)$/m.exec(dockerfile) ?? [];
  expect(wanted).toBe(fallback);
});

test('an edit of TypeScript → the layers of the addon stay', () => {
  const [, stage] = /^FROM tools AS addon$([\s\S]*?)^FROM /m.exec(dockerfile) ?? [];
  const copied = [...(stage ?? '').matchAll(/^COPY (.+) \S+$/gm)].map(([, source]) => source);
  expect(copied).toEqual(['binding.gyp', 'scripts/setup', 'src/native/cc']);
});

test('prometheus.yml looks for the services of the agents', () => {
  const [, names] = /^ +- names: \[(.+)\]$/m.exec(read('deploy/prometheus/prometheus.yml')) ?? [];
  const services = [...compose.matchAll(/^ {2}(\w+):\n {4}<<: \*agent\n {4}scale:/gm)].map(([, name]) => name);
  expect(names?.split(', ')).toEqual(services);
});
