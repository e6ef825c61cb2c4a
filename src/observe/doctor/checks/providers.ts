/** Checks that an agent with these settings can move bytes with the configured providers. */
import { AUTO_PROVIDERS } from '../../../config/agent-config.js';
import { CANNOT_ENCRYPT } from '../../../ports/encryption.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { devicesOf } from './rdma.js';

const found = new Findings('fabric', 'providers');

export function checkProviders({ fabric, settings, inClear, system }: Examination): Finding[] {
  if (!fabric.addon) return [];
  const wanted = settings.provider;
  const offered = wanted.filter((provider) => fabric.providers.includes(provider));
  const missing = wanted
    .filter((provider) => !offered.includes(provider))
    .map((provider) => {
      const reason = fabric.unavailable.find((row) => row.provider === provider)?.reason ?? 'no reason is known';
      return { provider, text: `${provider} is not available: ${reason}` };
    });
  if (offered.length === 0) {
    return [
      found.problem(
        `no provider is available: ${missing.map(({ text }) => text).join('; ')}`,
        'choose another provider, such as --provider auto, or repair these',
      ),
    ];
  }
  const isAuto = wanted.join() === AUTO_PROVIDERS.join();
  return [
    found.ok(`available providers: ${offered.join(', ')}`),
    ...inClear.map((provider) => found.note(`${provider} is not used: ${CANNOT_ENCRYPT}`)),
    ...missing.map(({ provider, text }) => {
      // `auto` uses verbs and efa only where there is a device, so a missing device is normal.
      if (isAuto && devicesOf(system, provider)?.length === 0) return found.note(text);
      const next = offered.filter((other) => wanted.indexOf(other) > wanted.indexOf(provider));
      return found.warning(
        next.length > 0 ? `${text}. Agents FALL BACK to ${next.join(', ')}` : text,
        `repair it, or remove ${provider} from --provider`,
      );
    }),
  ];
}
