/** Memory of CUDA devices, as the addon takes it: in hexadecimal. */
import type { DeviceMemory } from '../ports/fabric.js';
import { KvferryError } from '../protocol/errors.js';
import { isSize } from './writes.js';

const HANDLE_BYTES = 64;
const UUID = /^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface PackedMemory {
  readonly handle: string;
  readonly device: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Throws `segment_invalid`. */
export function packedMemory({ handle, device, offset = 0, bytes }: DeviceMemory): PackedMemory {
  const raw = Buffer.from(handle, 'base64');
  if (raw.length !== HANDLE_BYTES) {
    throw new KvferryError('segment_invalid', `a CUDA IPC handle has ${HANDLE_BYTES} bytes, not ${raw.length}`);
  }
  if (!isSize(offset) || !isSize(bytes) || bytes === 0 || !Number.isSafeInteger(offset + bytes)) {
    throw new KvferryError('segment_invalid', `memory of a device cannot be ${offset}+${bytes}`);
  }
  return { handle: raw.toString('hex'), device: packedDevice(device, 'segment_invalid'), offset, bytes };
}

/** Throws an error of that code. */
export function packedDevice(device: string, code: 'segment_invalid' | 'arena_unavailable'): string {
  if (UUID.test(device)) return device.slice('GPU-'.length).replaceAll('-', '');
  throw new KvferryError(
    code,
    `${device} is no UUID of a CUDA device: nvidia-smi -L shows them, for example GPU-1a2b…`,
  );
}

/** What is the same for equal memory. */
export function identityOf({ handle, device, offset = 0 }: DeviceMemory): string {
  return `${device}:${handle}:${offset}`;
}

/** The UUID of a device, as people write it. */
export function shownDevice(uuid: string): string {
  return `GPU-${uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
}
