/** Systems that write the same chunks in the same run. */
export const peerNames = ['nixl', 'mooncake', 'lmcache'] as const;
export type PeerName = (typeof peerNames)[number];
