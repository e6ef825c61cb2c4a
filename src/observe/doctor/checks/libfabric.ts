/** The installed libfabric and its providers. Without it there is no RDMA; TCP and the copy on one host need no library. */
import { BUILD_ADDON } from '../build-addon.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('fabric', 'libfabric');
const OF_LIBFABRIC = ['verbs', 'efa', 'libfabric-tcp', 'net'];
const WITHOUT_LIBRARY = ['tcp', 'same-host'];

export function checkLibfabric({ fabric, settings }: Examination): Finding[] {
  if (!fabric.addon) return [];
  if (fabric.libfabric === null) {
    const reason = fabric.reason ?? 'there is no libfabric';
    const wanted = settings.provider.filter((provider) => OF_LIBFABRIC.includes(provider));
    if (wanted.length === 0) return [found.note(`${reason}; the configured providers do not need it`)];
    const text = `${reason}; ${wanted.join(', ')} cannot be used`;
    const others = settings.provider.filter((provider) => WITHOUT_LIBRARY.includes(provider));
    if (others.length > 0) return [found.note(`${text}, ${others.join(', ')} can`)];
    return [
      found.warning(
        text,
        `install libfabric (Debian: libfabric1; to build the addon: libfabric-dev), then ${BUILD_ADDON}`,
      ),
    ];
  }
  const usable = fabric.offers
    .filter(({ domains, provider }) => domains.length > 0 && !provider.includes(';'))
    .map(({ provider, domains }) => `${provider} (${domains.join(', ')})`);
  return [found.ok(`libfabric ${fabric.libfabric} offers ${usable.join(', ') || 'no provider here'}`)];
}
