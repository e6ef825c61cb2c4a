/** What the environment says about this machine: how long a connection may take, and the address of an RDMA device. */
export const timeoutMs = 10_000 * Number(process.env.KVFERRY_PATIENCE || 1);
export const bindAddress = process.env.KVFERRY_BIND_ADDRESS || '127.0.0.1';
