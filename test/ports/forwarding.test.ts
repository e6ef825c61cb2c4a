import { expect, test } from 'vitest';
import type { ControlPort } from '../../src/ports/control.js';
import type { FabricConnection, FabricPort } from '../../src/ports/fabric.js';
import { ForwardingControl } from '../../src/ports/forwarding-control.js';
import { ForwardingConnection, ForwardingFabric, ForwardingSealedFabric } from '../../src/ports/forwarding-fabric.js';
import type { SealedFabric } from '../../src/ports/sealed-fabric.js';

/** A port that answers each call with the call, and each property with its name. */
function echo(properties: readonly string[] = []): object {
  return new Proxy(
    {},
    {
      get: (_, name: string) => (properties.includes(name) ? name : (...args: unknown[]) => [name, ...args]),
    },
  );
}

/** Those of its class, and of the classes above. */
function membersOf(port: object): [string, PropertyDescriptor][] {
  const above = Object.getPrototypeOf(port);
  if (above === Object.prototype) return [];
  return [...Object.entries(Object.getOwnPropertyDescriptors<object>(above)), ...membersOf(above)];
}

test.each<[string, object]>([
  ['control', new ForwardingControl(echo(['messageBytesMax']) as unknown as ControlPort)],
  ['fabric', new ForwardingFabric(echo() as FabricPort)],
  ['sealed fabric', new ForwardingSealedFabric(echo(['publicKey']) as unknown as SealedFabric)],
  ['connection', new ForwardingConnection(echo(['provider', 'detail']) as unknown as FabricConnection)],
])('the forwarding %s passes every call on, with its arguments and its result', (_, port) => {
  const members = membersOf(port);
  const results = members
    .filter(([name]) => name !== 'constructor')
    .map(([name, { value, get }]) => {
      if (get !== undefined) return [name, (port as Record<string, unknown>)[name]];
      const args = Array.from({ length: value.length }, (__, index) => index);
      return [name, (value as (...args: unknown[]) => unknown).apply(port, args), args];
    });
  expect(results.length).toBeGreaterThan(3);
  for (const [name, result, args] of results) {
    if (args === undefined) expect(result).toBe(name);
    // `publish` and `onStatus` have no result.
    else if (result !== undefined)
      expect((result as unknown[]).slice(0, 1 + (args as unknown[]).length)).toEqual([name, ...(args as unknown[])]);
  }
});
