/** The name of this host in settings. */
import { hostname } from 'node:os';

/** Stands in a setting for the name of the host. */
const PLACE = '{hostname}';
const NOT_IN_NAMES = /[^A-Za-z0-9_-]/g;

/** `{hostname}` → `node-7.example.org` */
export function withHostName(text: string): string {
  return text.replaceAll(PLACE, hostname());
}

/** `decode-{hostname}` → `decode-node-7-example-org`: only characters that the name of an agent may have. */
export function withHostNameOfAgent(text: string): string {
  return text.replaceAll(PLACE, hostname().replaceAll(NOT_IN_NAMES, '-'));
}
