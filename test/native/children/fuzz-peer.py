"""A random peer of the same-host protocol, as sender or as receiver. The same seed does the same.

Arguments: `sender`, path of the socket, token of a grant, seed, connections; or `receiver`, path of the socket to make.
A receiver prints a line when it listens, and takes a new seed from each line of its input. A sender prints a line when it is done.
"""
import array
import os
import random
import select
import socket
import struct
import sys

MESSAGE = struct.Struct('<IIQQQQQQQQQ')
HELLO, WELCOME, REFUSED, ATTACH, DETACH, COPY, DONE, HANDLE, ATTACH_DEVICE = range(1, 10)
KINDS = 12
VERSION = 4
ARENA = 65536
EDGES = [0, 1, 63, 64, 4095, 4096, ARENA - 1, ARENA, ARENA + 1, 8 << 20, (8 << 20) + 1]
EDGES += [value for power in (31, 32, 47, 63) for value in ((1 << power) - 1, 1 << power)]
EDGES += [(1 << 64) - size for size in (1, 4096, ARENA)]
PATIENCE_S = 5


def wide(rnd):
    return rnd.choice(EDGES) if rnd.random() < .8 else rnd.getrandbits(64)


def message(kind, subject=0, ticket=0, source=0, target=0, length=0, token=(0, 0), status=0, pieces=None):
    """`pieces`: the length of a piece, and the distance of two. Default: one piece."""
    return MESSAGE.pack(kind, status, subject, ticket, source, *(pieces or (length, length)), target, length, *token)


def copy(rnd):
    length = wide(rnd)
    piece = rnd.choice([length, max(1, length // rnd.randrange(1, 9)), wide(rnd)])
    pieces = (piece, rnd.choice([piece, (piece + rnd.randrange(9)) % (1 << 64), wide(rnd)]))
    return message(COPY, rnd.randrange(6), rnd.getrandbits(32), wide(rnd), wide(rnd), length, pieces=pieces)


def device(rnd):
    """Memory of a device that is not there."""
    number = rnd.randrange(6)
    handle = struct.pack('<IIQ64s', HANDLE, 0, number, rnd.randbytes(64))
    attach = message(ATTACH_DEVICE, number, source=wide(rnd), length=wide(rnd), token=(wide(rnd), wide(rnd)))
    return handle + attach if rnd.random() < .8 else attach


def descriptors(rnd):
    """Some that hold memory, and some that do not."""
    made = []
    for _ in range(rnd.choice([0, 1, 1, 1, 2, 4, 5])):
        kind = rnd.randrange(7)
        if kind < 3:
            made.append(os.memfd_create('kv'))
            os.ftruncate(made[-1], rnd.choice([0, 1, 4096, ARENA, 40 << 40]))
        elif kind == 3:
            made.append(os.open('/', os.O_RDONLY))
        elif kind == 4:
            made.append(os.open('/dev/zero', os.O_RDONLY))
        elif kind == 5:
            made.extend(os.pipe())
        else:
            made.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach())
    return made


def request(rnd):
    kind = rnd.random()
    if kind < .75:
        return copy(rnd)
    if kind < .8:
        return device(rnd)
    if kind < .9:
        return message(DETACH, rnd.randrange(6))
    if kind < .95:
        return message(rnd.randrange(KINDS), wide(rnd), wide(rnd), wide(rnd), wide(rnd), wide(rnd), (wide(rnd), wide(rnd)))
    return rnd.randbytes(rnd.choice([0, 1, MESSAGE.size - 1, MESSAGE.size, MESSAGE.size + 1, 2 * MESSAGE.size, 4096, 4097]))


def shake(rnd, made):
    """What an engine does that makes its memory smaller by mistake."""
    for descriptor in made:
        try:
            os.ftruncate(descriptor, rnd.choice([0, 1, 4096, ARENA]))
        except OSError:
            pass


def send_some(rnd, peer, token):
    right = message(HELLO, VERSION, token=token)
    peer.send(right if rnd.random() < .9 else rnd.randbytes(MESSAGE.size))
    kept = []
    for _ in range(rnd.randrange(40)):
        if rnd.random() < .2:
            made = descriptors(rnd)
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', made))] if made else []
            peer.sendmsg([message(ATTACH, rnd.randrange(6))], ancillary)
            kept += made
        else:
            peer.send(b''.join(request(rnd) for _ in range(rnd.randrange(1, 9))))
        if rnd.random() < .1:
            shake(rnd, kept)
        while rnd.random() < .9 and select.select([peer], [], [], 0)[0]:
            if peer.recv(65536) == b'':
                break
    return kept


def sender(path, token, seed, connections):
    rnd = random.Random(int(seed))
    token = tuple(int(word, 16) for word in token.split(':'))
    for _ in range(int(connections)):
        kept = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(PATIENCE_S)
            try:
                peer.connect(path)
                kept = send_some(rnd, peer, token)
            except OSError:
                pass
        for descriptor in kept:
            os.close(descriptor)
    print('"done"', flush=True)


def answer(rnd):
    kind = WELCOME if rnd.random() < .4 else rnd.choice([DONE, DONE, DONE, rnd.randrange(KINDS)])
    ticket = rnd.randrange(9) if rnd.random() < .7 else wide(rnd)
    status = rnd.randrange(KINDS + 2) if rnd.random() < .9 else rnd.getrandbits(32)
    return message(kind, wide(rnd) if rnd.random() < .5 else rnd.randrange(4), ticket, wide(rnd), wide(rnd), wide(rnd), status=status)


def reply(rnd, peer):
    """Returns whether the peer is kept."""
    try:
        if peer.recv(65536) == b'':
            return False
        for _ in range(rnd.randrange(4)):
            parts = [answer(rnd) for _ in range(rnd.randrange(1, 5))]
            peer.send(b''.join(parts) if rnd.random() < .9 else rnd.randbytes(rnd.randrange(1, 5000)))
        return rnd.random() < .9
    except OSError:
        return False


def receiver(path):
    rnd = random.Random(0)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    status = os.stat(path)
    print(f'[{status.st_dev}, {status.st_ino}]', flush=True)
    peers = []
    while True:
        for ready in select.select([sys.stdin, listener, *peers], [], [])[0]:
            if ready is sys.stdin:
                line = sys.stdin.readline()
                if line == '':
                    return
                rnd.seed(int(line))
            elif ready is listener:
                peers.append(listener.accept()[0])
                peers[-1].settimeout(PATIENCE_S)
            elif not reply(rnd, ready):
                peers.remove(ready)
                ready.close()


{'sender': sender, 'receiver': receiver}[sys.argv[1]](*sys.argv[2:])
