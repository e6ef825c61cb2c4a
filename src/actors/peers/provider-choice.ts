/**
 * Which providers a sender tries with one receiver, and in which order: that of its options. A provider that fails is passed over
 * for a minute: it is tried only after all others. It fails when it does not connect, or when a write fails for a reason of the
 * provider. Then its writes are repeated over the next provider, and no request fails for it.
 */
import { CANNOT_ENCRYPT, isInClear } from '../../ports/encryption.js';
import type { FabricEndpoint, Provider } from '../../ports/fabric.js';
import type { DescribeReply } from '../../protocol/operations.js';
import type { AgentEnv } from '../env/agent-env.js';

/** How long a provider that failed is passed over for the receiver. */
const PASSED_OVER_MS = 60_000;

export class ProviderChoice {
  readonly #env: AgentEnv;
  readonly #description: DescribeReply;
  /** By provider: the endpoint, or why there is none. As they were at the last look. */
  readonly #places = new Map<Provider, FabricEndpoint | string>();
  /** Why providers failed, and until when they are passed over. */
  readonly #failed = new Map<Provider, { readonly reason: string; readonly untilMs: number }>();

  constructor(env: AgentEnv, description: DescribeReply) {
    this.#env = env;
    this.#description = description;
  }

  /** Looks which endpoints of the receiver this agent can use. Returns them in the order in which to try them. */
  look(): FabricEndpoint[] {
    const { providers } = this.#env.options;
    for (const provider of providers) this.#places.set(provider, this.#placeOf(provider));
    const found = [...this.#places.values()].filter((place) => typeof place !== 'string');
    const fresh = found.filter(({ provider }) => !this.#isPassedOver(provider));
    return [...fresh, ...found.filter((endpoint) => !fresh.includes(endpoint))];
  }

  failed(provider: Provider, reason: string): void {
    this.#failed.set(provider, { reason, untilMs: this.#env.clock.now() + PASSED_OVER_MS });
  }

  /** Whether another provider is left that has not failed. */
  hasOtherThan(failing: Provider): boolean {
    return [...this.#places].some(
      ([provider, place]) => provider !== failing && typeof place !== 'string' && !this.#isPassedOver(provider),
    );
  }

  /** Why the providers that this agent prefers to `used`, and may use, are not used. */
  passedOver(used: Provider): string[] {
    const { providers } = this.#env.options;
    const preferred = providers.slice(0, providers.indexOf(used));
    return preferred.filter((provider) => !this.#isForbidden(provider)).map((provider) => this.#reasonOf(provider));
  }

  /** Why no provider is used. */
  reasons(): string[] {
    return this.#env.options.providers.map((provider) => this.#reasonOf(provider));
  }

  #reasonOf(provider: Provider): string {
    const place = this.#places.get(provider);
    const reason = typeof place === 'string' ? place : (this.#failed.get(provider)?.reason ?? 'it was not tried');
    return `${provider}: ${reason}`;
  }

  #isPassedOver(provider: Provider): boolean {
    const failed = this.#failed.get(provider);
    return failed !== undefined && this.#env.clock.now() < failed.untilMs;
  }

  #isForbidden(provider: Provider): boolean {
    return this.#env.options.encryption === 'required' && isInClear(provider);
  }

  /** The receiver's endpoint of `provider`, or why either side lacks it. */
  #placeOf(provider: Provider): FabricEndpoint | string {
    if (this.#isForbidden(provider)) return CANNOT_ENCRYPT;
    const { agent, endpoints, unavailable } = this.#description;
    const endpoint = endpoints.find((offered) => offered.provider === provider);
    if (endpoint !== undefined) return this.#env.fabric.unreachable(endpoint) ?? endpoint;
    const reason = unavailable.find((row) => row.provider === provider)?.reason;
    if (reason !== undefined) return `agent ${agent} does not offer it: ${reason}`;
    const offers = endpoints.map((offered) => `${offered.provider} (${offered.detail})`).join(', ');
    return `agent ${agent} offers ${offers === '' ? 'no provider' : `only ${offers}`}`;
  }
}
