import { describe, expect, test } from 'vitest';
import { checkBindAddress } from '../../../../src/observe/doctor/checks/bind-address.js';
import { checkNetworkTrust } from '../../../../src/observe/doctor/checks/network-trust.js';
import { checkTcpBuffers } from '../../../../src/observe/doctor/checks/tcp-buffers.js';
import { checkTcpPort } from '../../../../src/observe/doctor/checks/tcp-port.js';
import { brief, decode, examination, type Spoilt } from '../support.js';

const LO = { interface: 'lo', address: '127.0.0.1', isInternal: true };
const on = (...addresses: string[]) => ({
  addresses: [LO, ...addresses.map((address) => ({ interface: 'eth0', address, isInternal: false }))],
});

describe('the bind address', () => {
  const check = async (spoilt: Spoilt = {}) => brief(await checkBindAddress(examination(spoilt)));
  const withFiles = (files: Readonly<Record<string, string>>) => ({ machine: { files } });

  test('is on a fast link', async () => {
    expect(await check()).toEqual([['ok', 'bind address 10.0.0.1 is on eth0, MTU 9000, 25 Gb/s']]);
  });

  test('is a name that leads to this host', async () => {
    const spoilt = { flags: { bindAddress: 'decode-0' }, machine: { hosts: { 'decode-0': ['10.0.0.1'] } } };
    expect(await check(spoilt)).toEqual([['ok', 'bind address decode-0 is on eth0, MTU 9000, 25 Gb/s']]);
  });

  test('on loopback serves one host', async () => {
    expect(await check({ flags: { bindAddress: '127.0.0.1' } })).toEqual([
      [
        'note',
        'bind address 127.0.0.1 is on lo (MTU 65536); agents on other hosts cannot reach it',
        'if agents run on other hosts, set --bind-address to an address that they can reach',
      ],
    ]);
  });

  test('does not matter on one host', async () => {
    expect(await check({ flags: { provider: 'same-host', bindAddress: 'nowhere' } })).toEqual([]);
  });

  test('leads nowhere, or elsewhere', async () => {
    expect(await check({ flags: { bindAddress: 'nowhere' } })).toEqual([
      [
        'problem',
        'bind address nowhere does not resolve to an address',
        'set --bind-address to an address of this host',
      ],
    ]);
    expect(await check({ flags: { bindAddress: '10.0.0.9' } })).toEqual([
      ['problem', 'bind address 10.0.0.9 does not belong to this host', 'set --bind-address to one of 10.0.0.1'],
    ]);
  });

  test('127.0.0.2 → on loopback, although the system lists one address of it', async () => {
    expect((await check({ flags: { bindAddress: '127.0.0.2' } })).flat()).toContain(
      'bind address 127.0.0.2 is on lo (MTU 65536); agents on other hosts cannot reach it',
    );
  });

  test('belongs to another host → addresses that need an interface are not proposed', async () => {
    const spoilt = { flags: { bindAddress: '10.0.0.9' }, machine: on('fe80::1', '2001:db8::7', '169.254.0.3') };
    expect((await check(spoilt))[0]?.[2]).toBe('set --bind-address to one of 2001:db8::7');
  });

  test('is on a link that is down', async () => {
    expect(await check(withFiles({ '/sys/class/net/eth0/operstate': 'down' }))).toEqual([
      [
        'problem',
        'bind address 10.0.0.1 is on eth0, MTU 9000, 25 Gb/s; it is down',
        'check the cable, then run: ip link set eth0 up',
      ],
    ]);
  });

  test('could have jumbo frames, where it is fast', async () => {
    expect(await check(withFiles({ '/sys/class/net/eth0/mtu': '1500' }))).toEqual([
      [
        'note',
        'bind address 10.0.0.1 is on eth0, MTU 1500, 25 Gb/s',
        'at this speed jumbo frames save processor time (ip link set eth0 mtu 9000); every switch and peer must support them',
      ],
    ]);
    expect(await check(withFiles({ '/sys/class/net/eth0/mtu': '1500', '/sys/class/net/eth0/speed': '1000' }))).toEqual([
      ['ok', 'bind address 10.0.0.1 is on eth0, MTU 1500, 1 Gb/s'],
    ]);
  });

  test('is in a tunnel, of unknown speed', async () => {
    expect(await check(withFiles({ '/sys/class/net/eth0/mtu': '1450', '/sys/class/net/eth0/speed': '-1' }))).toEqual([
      [
        'warning',
        'bind address 10.0.0.1 is on eth0, MTU 1450; small packets reduce throughput',
        'tunnels and overlays reduce the MTU; use the host network',
      ],
    ]);
  });
});

describe("TCP's buffers", () => {
  const check = (read: string, spoilt: Spoilt = {}) =>
    brief(checkTcpBuffers(examination({ ...spoilt, machine: { files: { '/proc/sys/net/ipv4/tcp_rmem': read } } })));

  test("TCP's buffers are large → ok", () => {
    expect(check('4096 131072 6291456')).toEqual([
      ['ok', 'TCP buffers grow to 6 MiB to receive and 16 MiB to send, congestion control cubic'],
    ]);
  });

  test("TCP's buffers are small → a warning", () => {
    expect(check('4096 87380 2097152')).toEqual([
      [
        'warning',
        'TCP buffers grow to 2 MiB to receive and 16 MiB to send, congestion control cubic',
        'sysctl -w net.ipv4.tcp_rmem="4096 131072 16777216" net.ipv4.tcp_wmem="4096 65536 16777216"',
      ],
    ]);
  });

  test('cannot be seen, or do not matter', () => {
    expect(check('')).toEqual([['note', "TCP's buffer sizes cannot be read"]]);
    expect(check('', { flags: { provider: 'same-host' } })).toEqual([]);
  });
});

describe('the port of tcp', () => {
  const portsTaken = [47_000, 47_001];
  const check = async (flags: Readonly<Record<string, string>>, spoilt: Spoilt = {}) =>
    brief(await checkTcpPort(examination({ machine: { portsTaken }, agents: [], ...spoilt, flags })));

  test('one port of the range is free → ok names it', async () => {
    expect(await check({ tcpPort: '47000-47002' })).toEqual([['ok', 'port 47002 of 10.0.0.1 is free for tcp']]);
  });

  test('every port of the range is taken → a problem', async () => {
    expect(await check({ tcpPort: '47000-47001' })).toEqual([
      [
        'problem',
        'tcp cannot listen at 10.0.0.1, port 47000-47001: EADDRINUSE',
        'choose a free port or a larger range with --tcp-port; ss -ltnp shows who listens at a port',
      ],
    ]);
  });

  test('an agent of that name runs → it may be the one that listens', async () => {
    expect(await check({ tcpPort: '47000' }, { agents: [decode()] })).toEqual([
      [
        'note',
        'tcp cannot listen at 10.0.0.1, port 47000: EADDRINUSE. Agent d1 runs, and may be the one that listens there',
      ],
    ]);
  });

  test('a prefill agent → the setting has no effect', async () => {
    expect(await check({ tcpPort: '47000', role: 'prefill' })).toEqual([
      ['note', '--tcp-port has no effect: an agent with the role prefill does not listen'],
    ]);
  });

  test('any port, no tcp, or no such address → nothing to say', async () => {
    expect(await check({})).toEqual([]);
    expect(await check({ tcpPort: '47000', provider: 'same-host' })).toEqual([]);
    expect(await check({ tcpPort: '47000', bindAddress: '10.0.0.9' })).toEqual([]);
  });
});

describe('who can reach tcp', () => {
  const check = async (flags: Readonly<Record<string, string>>) =>
    brief(await checkNetworkTrust(examination({ flags, machine: on(flags['bindAddress'] ?? '10.0.0.1') })));

  test.each(['127.0.0.1', '10.0.0.1', '172.31.9.9', '192.168.1.1', '100.100.0.1'])(
    'the private address %s → in clear is fine',
    async (bindAddress) => {
      expect(await check({ bindAddress })).toEqual([
        ['ok', `tcp at ${bindAddress}, any free port: in clear on a private address`],
      ]);
    },
  );

  test('a public address → a warning, unless it encrypts', async () => {
    const flags = { bindAddress: '203.0.113.7', tcpPort: '47000-47100' };
    expect(await check(flags)).toEqual([
      [
        'warning',
        'tcp at 203.0.113.7, port 47000-47100: in clear on a public address',
        'set --tcp-encryption required, or --bind-address to a private address',
      ],
    ]);
    expect(await check({ ...flags, tcpEncryption: 'required' })).toEqual([
      ['ok', 'tcp at 203.0.113.7, port 47000-47100: encrypted'],
    ]);
  });

  test('encryption is required → providers in clear are not judged, they are not used', async () => {
    expect(await check({ bindAddress: '203.0.113.7', tcpEncryption: 'required', provider: 'tcp,net' })).toEqual([
      ['ok', 'tcp at 203.0.113.7, any free port: encrypted'],
    ]);
  });

  test('a prefill agent → nothing listens, and encryption is what it demands', async () => {
    expect(await check({ role: 'prefill', bindAddress: '203.0.113.7', provider: 'tcp,net' })).toEqual([]);
    expect(await check({ role: 'prefill', tcpEncryption: 'required' })).toEqual([
      ['ok', 'bytes leave this host by encrypted tcp only'],
    ]);
  });

  test('no such address on this host → nothing, the check of the address reports it', async () => {
    const flags = { bindAddress: '10.0.0.9', provider: 'tcp,net' };
    expect(await checkNetworkTrust(examination({ flags }))).toEqual([]);
  });

  test("libfabric's net → a warning, unless it is on loopback", async () => {
    expect(await check({ provider: 'net', bindAddress: '10.0.0.1' })).toEqual([
      [
        'warning',
        'net listens at 10.0.0.1, any free port: one forged packet from a host of that network ends the agent',
        "set --provider auto, which takes kvferry's own tcp; or let only trusted hosts reach the address",
      ],
    ]);
    expect(await check({ provider: 'net', bindAddress: '127.0.0.1' })).toEqual([
      ['ok', 'net listens at 127.0.0.1, any free port, on this host only'],
    ]);
  });

  test('a name with a private and a public address → a warning', async () => {
    const machine = { hosts: { 'decode-0': ['10.0.0.1', '203.0.113.7'] } };
    expect(brief(await checkNetworkTrust(examination({ flags: { bindAddress: 'decode-0' }, machine })))).toEqual([
      [
        'warning',
        'tcp at decode-0, any free port: in clear on a public address',
        'set --tcp-encryption required, or --bind-address to a private address',
      ],
    ]);
  });

  test('no tcp → nothing', async () => {
    expect(await check({ provider: 'same-host' })).toEqual([]);
  });
});
