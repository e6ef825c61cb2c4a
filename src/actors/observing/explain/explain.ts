/** Answers `explain`: why a request, transfer, key or page waits, who holds it, until when, and what happened to it. */
import { invalidField } from '../../../protocol/errors.js';
import { EXPLANATIONS_MAX, HOLDERS_SHOWN_MAX, TRAIL_ENTRIES_MAX } from '../../../protocol/limits.js';
import { fitting, jsonBytes } from '../../../protocol/message-room.js';
import type { Explanation } from '../../../protocol/observation.js';
import type { OperationRequest } from '../../../protocol/operations.js';
import { shortened } from '../../../protocol/shown-text.js';
import { explainKey, explainPage } from './explain-page.js';
import { explainRequest } from './explain-request.js';
import { explainTransfer } from './explain-transfer.js';
import type { Finding, Sources } from './finding.js';

/** `Explanation.summary` takes no more characters. */
const SUMMARY_MAX = 2048;

/**
 * Explanations that take at most `bytesMax` bytes as JSON: what does not fit is left out, trails first. Throws
 * `invalid_field` unless the query names exactly one of request, transfer, key and page.
 */
export function explain(sources: Sources, query: OperationRequest<'explain'>, bytesMax: number): Explanation[] {
  const findings = findAll(sources, query);
  const all = findings.map(
    ({ holders = [], holdersTotal = holders.length, isInTrail: _, ...finding }): Explanation => ({
      ...finding,
      summary: shortened(finding.summary, SUMMARY_MAX),
      holders: holders.slice(0, HOLDERS_SHOWN_MAX),
      holdersTotal,
      trail: [],
    }),
  );
  const shown = fitting(all, EXPLANATIONS_MAX, bytesMax);
  const count = Math.max(1, shown.length);
  const bytesLeft = bytesMax - jsonBytes(shown);
  return shown.map((explanation, index) => {
    const isInTrail = findings[index]?.isInTrail ?? (() => false);
    const trail = sources.journal.trail(Math.floor(TRAIL_ENTRIES_MAX / count), bytesLeft / count, isInTrail);
    return { ...explanation, trail };
  });
}

function findAll(sources: Sources, { request, transfer, key, page }: OperationRequest<'explain'>): Finding[] {
  const named = [request, transfer, key, page].filter((name) => name !== undefined);
  if (named.length !== 1) throw invalidField('request', 'name exactly one of request, transfer, key and page');
  if (request !== undefined) return explainRequest(sources, request);
  if (transfer !== undefined) return explainTransfer(sources, transfer);
  if (key !== undefined) return explainKey(sources, key);
  return page === undefined ? [] : explainPage(sources, page);
}
