/** Where the answers to the questions of a program come: below a subject that is its own, so that permissions can keep it so. */
import { readFileSync } from 'node:fs';
import { agentInboxOf, clientInboxOf, tokenOf } from '../protocol/subjects.js';
import type { NatsAccess } from './nats-access.js';
import { userNameIn } from './nats-jwt.js';

export interface InboxOptions {
  /** The name that the server's monitoring shows. */
  readonly name: string;
  /**
   * Answers come below `_INBOX_client.<inbox>`. Default: the name of the user in `access.creds`, otherwise `name`. What a token of
   * a subject may not have becomes `-`.
   */
  readonly inbox?: string | undefined;
  /** The program is the agent `inbox`: answers come below `_INBOX_agent.<inbox>`. */
  readonly isAgent?: boolean | undefined;
}

/** The name of the user at NATS, as far as the program chooses it. */
export function userOf({
  name,
  inbox,
  access = {},
}: InboxOptions & { readonly access?: NatsAccess | undefined }): string {
  return tokenOf(
    inbox ?? (access.creds === undefined ? undefined : userNameIn(readFileSync(access.creds, 'utf8'))) ?? name,
  );
}

/** Call `checkAccess` first: the file must be readable. */
export function inboxOf(options: InboxOptions & { readonly access?: NatsAccess | undefined }): string {
  return options.isAgent === true ? agentInboxOf(userOf(options)) : clientInboxOf(userOf(options));
}
