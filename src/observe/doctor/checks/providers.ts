/** Can an agent with these settings move bytes, and by the ways that were asked for? */
import { AUTO_PROVIDERS } from '../../../config/agent-config.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';
import { infinibandDevices } from './rdma.js';

const found = new Findings('fabric', 'providers');

export function checkProviders({ fabric, settings, system }: Examination): Finding[] {
  if (!fabric.addon) return [];
  const wanted = settings.provider;
  const offered = wanted.filter((provider) => fabric.providers.includes(provider));
  const missing = wanted
    .filter((provider) => !offered.includes(provider))
    .map((provider) => {
      const reason = fabric.unavailable.find((row) => row.provider === provider)?.reason ?? 'no reason is known';
      return { provider, text: `${provider} cannot be had: ${reason}` };
    });
  if (offered.length === 0) {
    return [
      found.problem(
        `no byte can move: ${missing.map(({ text }) => text).join('; ')}`,
        'ask for another one, such as --provider auto, or repair what is missing',
      ),
    ];
  }
  const isAuto = wanted.join() === AUTO_PROVIDERS.join();
  return [
    found.ok(`an agent with these settings offers ${offered.join(', ')}`),
    ...missing.map(({ provider, text }) => {
      // `auto` takes verbs where there is a device; that there is none is no surprise.
      if (isAuto && infinibandDevices(system).length === 0) return found.note(text);
      const next = offered.filter((other) => wanted.indexOf(other) > wanted.indexOf(provider));
      return found.warning(
        next.length > 0 ? `${text}. Agents FALL BACK to ${next.join(', ')}` : text,
        `repair it, or leave ${provider} out of --provider when it is not wanted`,
      );
    }),
  ];
}
