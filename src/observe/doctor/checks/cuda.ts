/** Checks that the CUDA device that has the arena is there, and shows those whose memory engines may attach. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('fabric', 'cuda');

export function checkCuda({ fabric, settings }: Examination): Finding[] {
  const { devices, reason } = fabric.cuda;
  const { arenaDevice } = settings;
  const shown = devices.map(({ uuid, name }) => `${uuid} (${name})`).join(', ');
  if (arenaDevice === 'host') {
    if (devices.length > 0) return [found.ok(`CUDA devices whose memory engines may attach: ${shown}`)];
    return [found.note(`engines can attach files only, no memory of a CUDA device: ${reason}`)];
  }
  if (devices.some(({ uuid }) => uuid === arenaDevice)) return [found.ok(`the arena will be on ${arenaDevice}`)];
  return [
    found.problem(
      `the CUDA device ${arenaDevice} of the arena is not there: ${devices.length === 0 ? reason : `there are ${shown}`}`,
      'compare with nvidia-smi -L and CUDA_VISIBLE_DEVICES, or leave --arena-device out',
    ),
  ];
}
