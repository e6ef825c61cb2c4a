/** A TCP proxy between two NATS servers. Cutting it breaks their route, as a broken network path does. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class RouteProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #open: Set<Socket>;
  readonly #gate: { isCut: boolean };

  private constructor(server: Server, open: Set<Socket>, gate: { isCut: boolean }) {
    this.#server = server;
    this.#open = open;
    this.#gate = gate;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Forwards connections to `targetPort` of the loopback interface. */
  static async open(targetPort: number): Promise<RouteProxy> {
    const open = new Set<Socket>();
    const gate = { isCut: false };
    const server = createServer((near) => {
      if (gate.isCut) near.destroy();
      else join(near, connect(targetPort, '127.0.0.1'), open);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RouteProxy(server, open, gate);
  }

  /** Whether the two servers are connected. */
  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Breaks every connection. The servers may connect again at once. */
  reset(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Breaks every connection, and refuses new ones until `mend`. */
  cut(): void {
    this.#gate.isCut = true;
    this.reset();
  }

  mend(): void {
    this.#gate.isCut = false;
  }

  close(): void {
    this.#server.close();
    this.reset();
  }
}

function join(near: Socket, far: Socket, open: Set<Socket>): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    open.add(from);
    from.setNoDelay(true);
    from.pipe(to);
    // The other end of the pair closes too, whatever ended this one.
    from.on('error', () => undefined);
    from.on('close', () => {
      open.delete(from);
      to.destroy();
    });
  }
}
