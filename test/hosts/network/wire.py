"""A wire between two TAP devices: each frame arrives after a delay, and some frames are lost.

    python3 wire.py NEAR FAR DELAY_MS LOSS

It makes both devices, prints `ready`, and ends when one of them is deleted.
"""

import errno
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
FRAME_BYTES_MAX = 65_536
# As the queue of a network card: what does not fit is lost.
WAITING_MAX = 10_000


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def read_frame(tap):
    """The next frame; nothing when none waits, or the device is down."""
    try:
        return os.read(tap, FRAME_BYTES_MAX)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EIO):
            return None
        raise SystemExit(0) from error


def write_frame(tap, frame):
    try:
        os.write(tap, frame)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EIO, errno.ENOBUFS):
            raise SystemExit(0) from error


def main():
    near, far, delay_ms, loss = sys.argv[1:]
    near, far = open_tap(near), open_tap(far)
    other = {near: far, far: near}
    chance = random.Random(1)
    waiting = deque()
    print("ready", flush=True)
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for tap in select.select([near, far], [], [], timeout)[0]:
            while (frame := read_frame(tap)) is not None:
                if chance.random() >= float(loss) and len(waiting) < WAITING_MAX:
                    waiting.append((time.monotonic() + float(delay_ms) / 1000, other[tap], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, tap, frame = waiting.popleft()
            write_frame(tap, frame)


main()
