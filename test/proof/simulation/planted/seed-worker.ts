/** The thread of `kvferry sim`, with a planted defect. */
import { env } from 'node:process';
import { type Defect, defects } from './defects.js';
import { plant } from './plant.js';
import { PLANTED_VARIABLE } from './planted-variable.js';

const defect = env[PLANTED_VARIABLE] ?? '';
if (!(defect in defects)) throw new Error(`${PLANTED_VARIABLE}: there is no defect ${defect}`);
plant(defect as Defect);
await import('../../../../src/cli/sim/seed-worker.js');
