/** `kvferry/client`: what engines and routers in TypeScript use (docs/guide/engine.md). */

export type { NatsAccess } from '../control/nats-access.js';
export type { ClockPort } from '../ports/clock.js';
export type { ControlPort, ControlSubscription } from '../ports/control.js';
export { ReplyError } from '../protocol/codec.js';
export { type ErrorCode, isKvferryError, KvferryError } from '../protocol/errors.js';
export type { LookupReply } from '../protocol/lookup.js';
export { AcquiredChunks, type Arena, type ArenaPlace } from './acquired-chunks.js';
export { type ArenaFile, type OpenArena, openArena } from './arena-file.js';
export { type AskedRequest, askEnd } from './ask-end.js';
export { attachSegment } from './attach-segment.js';
export { connectClient } from './connect-client.js';
export { DecodeEngine, type DecodeEngineOptions, type Holder } from './decode-engine.js';
export { type CallOptions, KvferryClient, type OperationInput } from './kvferry-client.js';
export { OutgoingRequest, type RequestPlan } from './outgoing-request.js';
export { PrefillEngine, type PrefillEngineOptions, type UnfilledChunk } from './prefill-engine.js';
export { type RequestEnd, RequestEnds, type RequestEndsOptions } from './request-ends.js';
export { SharedFile } from './shared-file.js';
export type { SourceChunk, SourceMemory } from './source-memory.js';
export type { WaitOptions } from './wait-for.js';
