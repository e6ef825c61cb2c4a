/** The installed libfabric and its providers. Without libfabric only agents on one host can exchange bytes. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('fabric', 'libfabric');
const OTHER_HOSTS = ['tcp', 'libfabric-tcp', 'net', 'verbs', 'efa'];

export function checkLibfabric({ fabric, settings }: Examination): Finding[] {
  if (!fabric.addon) return [];
  if (fabric.libfabric === null) {
    const reason = fabric.reason ?? 'there is no libfabric';
    const isWanted = settings.provider.some((provider) => OTHER_HOSTS.includes(provider));
    if (!isWanted) return [found.note(`${reason}; only agents on this host can be reached`)];
    return [
      found.warning(
        `${reason}; agents on other hosts cannot be reached`,
        'install libfabric (Debian: libfabric1; to build the addon: libfabric-dev, then npm run build:native)',
      ),
    ];
  }
  const usable = fabric.offers
    .filter(({ domains, provider }) => domains.length > 0 && !provider.includes(';'))
    .map(({ provider, domains }) => `${provider} (${domains.join(', ')})`);
  return [found.ok(`libfabric ${fabric.libfabric} offers ${usable.join(', ') || 'no provider here'}`)];
}
