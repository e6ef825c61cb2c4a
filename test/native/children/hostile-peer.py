"""A peer of the same-host socket that does not keep to the protocol. Prints what became of it, as JSON.

Arguments: move, path of the socket, token of a grant, and what the move takes.
"""
import json
import os
import resource
import select
import socket
import struct
import sys
import time

MESSAGE = struct.Struct('<IIQQQQQQQQQ')
HELLO, WELCOME, REFUSED, ATTACH, DETACH, COPY, DONE, HANDLE, ATTACH_DEVICE = range(1, 10)
COPIED, REJECTED, NO_DEVICE = 0, 1, 9
VERSION = 4
PATIENCE_S = 60


def message(kind, subject=0, ticket=0, length=0, token=(0, 0)):
    return MESSAGE.pack(kind, 0, subject, ticket, 0, length, length, 0, length, *token)


def connect(path):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.settimeout(PATIENCE_S)
    while True:
        try:
            peer.connect(path)
            return peer
        except BlockingIOError:
            time.sleep(0.005)


def kind_of(packet):
    return MESSAGE.unpack_from(packet)[0] if packet else None


def greet(path, token):
    peer = connect(path)
    peer.send(message(HELLO, subject=VERSION, token=token))
    return peer, kind_of(peer.recv(65536))


def send_until_refused(peer, packet):
    """Returns how many packets were taken."""
    peer.settimeout(PATIENCE_S)
    taken = 0
    try:
        while True:
            peer.send(packet)
            taken += 1
    except (BrokenPipeError, ConnectionResetError):
        return taken


def wrong_token(path, token):
    peer, answer = greet(path, (token[0], token[1] ^ 1))
    return {'refused': answer == REFUSED, 'hungUp': peer.recv(65536) == b''}


def unread_answers(path, token):
    peer, answer = greet(path, token)
    packet = message(COPY, subject=9, ticket=1, length=1) * 64
    return {'welcome': answer == WELCOME, 'packetsBelowOneThousand': send_until_refused(peer, packet) < 1000}


def devices_of_nothing(path, token, count):
    """Attaches memory of a device that is not there, and asks for copies of it. Reports the answers, by their status."""
    peer, answer = greet(path, token)
    for number in range(int(count)):
        handle = struct.pack('<IIQ64s', HANDLE, 0, number, os.urandom(64))
        attach = message(ATTACH_DEVICE, subject=number, length=2 ** 63, token=(1, number))
        peer.send(handle + attach + message(COPY, subject=number, ticket=number, length=1))
    statuses = []
    while len(statuses) < int(count):
        packet = peer.recv(65536)
        statuses += [status for kind, status, *_ in MESSAGE.iter_unpack(packet) if kind == DONE]
    return {'welcome': answer == WELCOME, 'withoutDevice': statuses.count(NO_DEVICE)}


def attached_device(path, token, handle, device, length):
    """A peer that has attached memory of a device under number 1. `handle`, `device`: in hexadecimal."""
    peer, _ = greet(path, token)
    uuid = struct.unpack('<QQ', bytes.fromhex(device))
    attach = message(ATTACH_DEVICE, subject=1, length=int(length), token=uuid)
    peer.send(struct.pack('<IIQ64s', HANDLE, 0, 1, bytes.fromhex(handle)) + attach)
    return peer


def answers_of(peer, packets):
    """The status of each request of some packets, in their order."""
    for packet in packets:
        peer.send(b''.join(packet))
    answers = []
    while len(answers) < sum(map(len, packets)):
        received = peer.recv(65536)
        if not received:
            break
        answers += [(ticket, status) for _, status, _, ticket, *_ in MESSAGE.iter_unpack(received)]
    return [status for _, status in sorted(answers)]


def beyond_device_memory(path, token, handle, device, length):
    """Asks for ranges that do not lie in the memory of a device, and last for one that does. Reports the status of each."""
    peer = attached_device(path, token, handle, device, length)
    end = int(length)
    ranges = [
        (end - 50, 100, 100, 100),
        (end, 1, 1, 1),
        (2 ** 64 - 50, 100, 100, 100),
        (0, 300, 100, 2 ** 63),
        (0, 300, 100, 2 ** 64 - 1),
        (0, 300, 100, (end - 100) // 2 + 1),
        (0, 300, 100, 99),
        (0, 250, 100, 100),
        (0, 300, 100, (end - 100) // 2),
    ]
    requests = [
        MESSAGE.pack(COPY, 0, 1, ticket, offset, piece, stride, 0, size, 0, 0)
        for ticket, (offset, size, piece, stride) in enumerate(ranges)
    ]
    return {'statuses': answers_of(peer, [requests])}


def many_copies(path, token, handle, device, length, count):
    """Asks for many copies at once, and reports how they ended."""
    peer = attached_device(path, token, handle, device, length)
    requests = [message(COPY, subject=1, ticket=ticket, length=1) for ticket in range(int(count))]
    statuses = answers_of(peer, [requests[at : at + 64] for at in range(0, len(requests), 64)])
    return {'copied': statuses.count(COPIED), 'rejected': statuses.count(REJECTED)}


def leave_with_copy(path, token, handle, device, length):
    """Asks for a copy, reports when it has begun, waits for a line, breaks the protocol, and reports when it is hung up on."""
    peer = attached_device(path, token, handle, device, length)
    peer.send(message(COPY, subject=1, length=int(length)) + message(COPY, subject=9, ticket=1, length=1))
    # Requests are taken in their order, and the second one cannot be done.
    print(json.dumps({'begun': MESSAGE.unpack_from(peer.recv(65536))[3] == 1}), flush=True)
    sys.stdin.readline()
    peer.send(message(WELCOME))
    return {'hungUp': peer.recv(65536) == b''}


def count_hung_up(poll, timeout_ms):
    hung_up = poll.poll(timeout_ms)
    for descriptor, _ in hung_up:
        poll.unregister(descriptor)
    return len(hung_up)


def silent(path, _token, count):
    """Connections without a hello. Reports how many are hung up when a line comes, and how long the last one stays."""
    count = int(count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100,) * 2)
    peers = [connect(path) for _ in range(count)]
    connected = time.monotonic()
    print(json.dumps({'connected': count}), flush=True)
    poll = select.poll()
    for peer in peers:
        poll.register(peer, select.POLLIN)
    sys.stdin.readline()
    hung_up = count_hung_up(poll, 0)
    print(json.dumps({'hungUp': hung_up}), flush=True)
    while hung_up < count:
        hung_up += count_hung_up(poll, PATIENCE_S * 1000)
    return {'hungUp': hung_up, 'fiveSeconds': time.monotonic() - connected > 4.5}


def idle(path, _token, count):
    """Connections that stay until the input ends. More than the receiver has descriptors for wait in its queue."""
    held = []
    for _ in range(int(count)):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            peer.connect(path)
            held.append(peer)
        except BlockingIOError:
            break
    print(json.dumps({'connected': True}), flush=True)
    sys.stdin.read()
    return {'ended': True}


def other_user(path, token, uid):
    os.setuid(int(uid))
    try:
        peer, answer = greet(path, token)
        return {'welcome': answer == WELCOME}
    except (BrokenPipeError, ConnectionResetError):
        return {'welcome': False}


def false_receiver(path, _token, uid):
    """Listens as another user. Reports where, waits for one sender, and reports how much that one sends."""
    os.setuid(int(uid))
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(path)
    os.chmod(path, 0o777)
    listening.listen()
    place = os.stat(path)
    print(json.dumps({'device': f'{place.st_dev:x}', 'inode': f'{place.st_ino:x}'}), flush=True)
    sender, _ = listening.accept()
    return {'received': len(sender.recv(65536))}


MOVES = {
    f.__name__: f
    for f in (
        wrong_token,
        unread_answers,
        devices_of_nothing,
        beyond_device_memory,
        many_copies,
        leave_with_copy,
        silent,
        idle,
        other_user,
        false_receiver,
    )
}
_, move, path, token, *rest = sys.argv
words = tuple(int(word, 16) for word in token.split(':'))
print(json.dumps(MOVES[move](path, words, *rest)), flush=True)
