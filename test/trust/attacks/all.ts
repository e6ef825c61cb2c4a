import type { Attack } from '../attack.js';
import { confine } from './confine.js';
import { exhaust } from './exhaust.js';
import { forge } from './forge.js';
import { impersonate } from './impersonate.js';
import { observe } from './observe.js';
import { read } from './read.js';
import { roles } from './roles.js';
import { tenants } from './tenants.js';

export const allAttacks: readonly Attack[] = [
  ...read,
  ...forge,
  ...impersonate,
  ...roles,
  ...tenants,
  ...confine,
  ...observe,
  ...exhaust,
];
