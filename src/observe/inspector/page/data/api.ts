/** Questions to the server. Each has a time limit, and fails with the server's message. */
import { type FaultOrder, type FaultOutcome, paths } from '../../feed.js';
import { FETCH_TIMEOUT_MS } from '../limits.js';

type Parameters = Readonly<Record<string, string | number | undefined>>;

/** The address of a question, without empty parameters. */
export function address(path: string, parameters: Parameters): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Throws an `Error` whose message is for people. */
export async function ask<T>(question: string, signal?: AbortSignal): Promise<T> {
  const deadline = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  return read(await send(question, { signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]) }));
}

export async function orderFault(order: FaultOrder): Promise<FaultOutcome> {
  return read(
    await send(paths.faults, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    }),
  );
}

async function send(question: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(question, init);
  } catch (cause) {
    const late = cause instanceof DOMException && cause.name === 'TimeoutError';
    throw new Error(late ? 'The inspector did not answer in time.' : 'The inspector cannot be reached.', { cause });
  }
}

async function read<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  throw new Error(messageIn(text) ?? `The inspector answered ${response.status}.`);
}

function messageIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: { message?: string } }).error?.message;
  } catch {
    // Not an answer of the inspector, but of a proxy in between.
    return undefined;
  }
}
