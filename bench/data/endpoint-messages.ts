/** Messages between the benchmark and its two endpoint processes. */

import type { NativeProvider } from '../../src/native/fabric-options.js';
import type { FabricEndpoint, FabricGrant, UnavailableProvider } from '../../src/ports/fabric.js';
import type { WriteTimes } from './contender.js';
import type { WriteCase } from './write-case.js';

export interface Offer {
  readonly endpoint: FabricEndpoint;
  readonly grant: FabricGrant;
}

export type EndpointCommand =
  | {
      readonly type: 'receive';
      readonly providers: readonly NativeProvider[];
      readonly socketDirectory: string;
      readonly bindAddress: string;
      readonly path: string;
      readonly bytes: number;
    }
  | {
      readonly type: 'send';
      readonly providers: readonly NativeProvider[];
      readonly socketDirectory: string;
      readonly bindAddress: string;
      readonly path: string;
      readonly bytes: number;
      readonly offers: readonly Offer[];
    }
  | { readonly type: 'fill'; readonly one: WriteCase; readonly round: number }
  | { readonly type: 'write'; readonly one: WriteCase; readonly provider: NativeProvider }
  | { readonly type: 'verify'; readonly one: WriteCase; readonly round: number };

export interface EndpointAnswers {
  readonly receive: { readonly offers: readonly Offer[]; readonly unavailable: readonly UnavailableProvider[] };
  readonly send: { readonly connected: true };
  readonly fill: { readonly filled: true };
  readonly write: WriteTimes;
  readonly verify: { readonly wrongChunks: number };
}

export type EndpointReply =
  | { readonly ok: true; readonly answer: EndpointAnswers[keyof EndpointAnswers] }
  | { readonly ok: false; readonly message: string };
