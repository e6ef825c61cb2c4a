/** What this host offers, for `kvferry doctor` and for tests. */
import type { UnavailableProvider } from '../ports/fabric.js';
import { KvferryError } from '../protocol/errors.js';
import { shownDevice } from './device-memory.js';
import { DEFAULT_BIND_ADDRESS, type NativeProvider, nativeProviders } from './fabric-options.js';
import { loadNative, type NativeOffer } from './native.js';
import { fromRejection } from './native-errors.js';

export interface NativeStatus {
  /** Whether the addon is built and loads. */
  readonly addon: boolean;
  /** Version of libfabric on this host. */
  readonly libfabric: string | null;
  /** Why the addon or libfabric is missing. */
  readonly reason?: string;
  readonly providers: readonly NativeProvider[];
  readonly unavailable: readonly UnavailableProvider[];
}

/** Which providers can be opened on this host. Opens each libfabric provider for a moment. */
export function nativeStatus(bindAddress: string = DEFAULT_BIND_ADDRESS): NativeStatus {
  const loaded = loadNative();
  if ('reason' in loaded) {
    const unavailable = nativeProviders.map((provider) => ({ provider, reason: loaded.reason }));
    return { addon: false, libfabric: null, reason: loaded.reason, providers: [], unavailable };
  }
  const { version, reason } = loaded.native.libfabricVersion();
  const providers: NativeProvider[] = [];
  const unavailable: UnavailableProvider[] = [];
  for (const provider of nativeProviders) {
    const why = provider === 'same-host' ? '' : loaded.native.probeProvider(provider, bindAddress);
    if (why === '') providers.push(provider);
    else unavailable.push({ provider, reason: why });
  }
  return {
    addon: true,
    libfabric: version === '' ? null : version,
    ...(reason === '' ? {} : { reason }),
    providers,
    unavailable,
  };
}

/**
 * Every provider of libfabric, including those that kvferry does not use. Rejects `provider_unavailable` or
 * `fabric_error`.
 */
export async function libfabricOffers(): Promise<readonly NativeOffer[]> {
  const loaded = loadNative();
  if ('reason' in loaded) throw new KvferryError('provider_unavailable', loaded.reason);
  try {
    return await loaded.native.libfabricOffers();
  } catch (error) {
    throw fromRejection(error);
  }
}

export interface CudaStatus {
  readonly devices: readonly { readonly uuid: string; readonly name: string }[];
  /** Why there are none. */
  readonly reason: string;
}

/** The CUDA devices of this host. Loads the driver. */
export async function cudaStatus(): Promise<CudaStatus> {
  const loaded = loadNative();
  if ('reason' in loaded) return { devices: [], reason: loaded.reason };
  const { devices, reason } = await loaded.native.cudaDevices();
  return { devices: devices.map(({ uuid, name }) => ({ uuid: shownDevice(uuid), name })), reason };
}
