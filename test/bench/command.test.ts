import { describe, expect, test } from 'vitest';
import { type BenchFlags, benchCommand } from '../../bench/command.js';

async function parse(...args: string[]): Promise<BenchFlags> {
  let parsed: BenchFlags | undefined;
  const command = benchCommand(async (flags) => {
    parsed = flags;
  });
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  await command.parseAsync(args, { from: 'user' });
  return parsed as BenchFlags;
}

describe('npm run bench', () => {
  test('measures everything but peers', async () => {
    expect(await parse()).toEqual({
      quick: false,
      suites: ['data', 'control', 'contention', 'scale', 'recovery', 'observe', 'turns'],
      peers: [],
      bindAddress: '127.0.0.1',
      json: false,
      output: undefined,
    });
  });

  test('--peers measures the suites that have peers, with those quickly installed', async () => {
    const { suites, peers } = await parse('--peers', '--json');
    expect({ suites, peers }).toEqual({ suites: ['data'], peers: ['nixl', 'mooncake'] });
  });

  test('a download that few need → only when it is named', async () => {
    const { suites } = await parse('--suite', 'vllm');
    expect(suites).toEqual(['vllm']);
  });

  test('takes lists of suites and of peers', async () => {
    const { suites, peers } = await parse('--suite', 'scale,data', '--peers', 'lmcache');
    expect({ suites, peers }).toEqual({ suites: ['scale', 'data'], peers: ['lmcache'] });
  });

  test('refuses a suite that there is not', async () => {
    await expect(parse('--suite', 'data,speed')).rejects.toThrow('speed is not one of data, control');
  });
});
