/** Where a server listens, as people write it. */

export interface ListenAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

const PORT_MAX = 65_535;
/** Default host, which other machines cannot reach. */
const LOOPBACK = '127.0.0.1';
const ADDRESS = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):|:)?(\d{1,5})$/;

/** `9464`, `:9464`, `0.0.0.0:9464`, `decode-0:9464`, `[::1]:9464`; undefined when it is none. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, ipv6, name, digits] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  return digits === undefined || port > PORT_MAX ? undefined : { host: ipv6 ?? name ?? LOOPBACK, port };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
