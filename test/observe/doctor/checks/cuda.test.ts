import { expect, test } from 'vitest';
import { checkCuda } from '../../../../src/observe/doctor/checks/cuda.js';
import { brief, examination } from '../support.js';

const uuid = 'GPU-5a4b3c2d-0011-2233-4455-66778899aabb';
const other = 'GPU-00000000-0011-2233-4455-66778899aabb';
const cuda = { devices: [{ uuid, name: 'H100' }], reason: '' };
const arena = (device: string) => ({ arenaDevice: device });

test('no device, and none asked for → a note gives the reason', () => {
  expect(brief(checkCuda(examination()))).toEqual([
    [
      'note',
      'engines can attach files only, no memory of a CUDA device: no CUDA driver: libcuda.so.1: cannot open shared object file',
    ],
  ]);
});

test('a device that nobody asked for → it is shown', () => {
  expect(brief(checkCuda(examination({ fabric: { cuda } })))).toEqual([
    ['ok', `CUDA devices whose memory engines may attach: ${uuid} (H100)`],
  ]);
});

test('the device of the arena is there → ok', () => {
  expect(brief(checkCuda(examination({ fabric: { cuda }, flags: arena(uuid) })))).toEqual([
    ['ok', `the arena will be on ${uuid}`],
  ]);
});

test.each([
  ['another one is', { cuda }, `there are ${uuid} (H100)`],
  ['there is no driver', {}, 'no CUDA driver: libcuda.so.1: cannot open shared object file'],
])('the device of the arena is missing, %s → a problem', (_, fabric, why) => {
  expect(brief(checkCuda(examination({ fabric, flags: arena(other) })))).toEqual([
    [
      'problem',
      `the CUDA device ${other} of the arena is not there: ${why}`,
      'compare with nvidia-smi -L and CUDA_VISIBLE_DEVICES, or leave --arena-device out',
    ],
  ]);
});
