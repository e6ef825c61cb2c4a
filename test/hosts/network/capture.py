"""Reads every frame that passes this host until its standard input is closed, and counts those that have one of some bytes.

    python3 capture.py HEX...

Prints `ready`, and at the end `{"frames": …, "found": …, "dropped": …}`.
"""

import json
import select
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 64 << 20
FRAME_BYTES_MAX = 1 << 18


def main():
    wanted = [bytes.fromhex(text) for text in sys.argv[1:]]
    frames = found = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as link:
        try:
            link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        except PermissionError:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        print("ready", flush=True)
        stdin = sys.stdin.fileno()
        while stdin not in (ready := select.select([link, stdin], [], [])[0]):
            frame = link.recv(FRAME_BYTES_MAX)
            frames += 1
            found += any(text in frame for text in wanted)
        while link in ready:
            frame = link.recv(FRAME_BYTES_MAX)
            frames += 1
            found += any(text in frame for text in wanted)
            ready = select.select([link], [], [], 0)[0]
        _, dropped = struct.unpack("II", link.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(json.dumps({"frames": frames, "found": found, "dropped": dropped}), flush=True)


main()
