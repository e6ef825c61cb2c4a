"""One side of a peer in a process of its own. It does what its parent says, a line of JSON each way, and ends with it.

    python endpoint.py ADAPTER sender|receiver BYTES CHUNK_BYTES

ADAPTER names a module beside this file with a class Adapter (see nixl_adapter.py). Chunks will have that size; 0: any.
"""

import importlib
import json
import os
import sys
import time

import numpy

MIX = 0xBF58476D1CE4E5B9
SPREAD = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
WORD_BYTES = 8


class Memory:
    """The source of the one side, the target of the other."""

    def __init__(self, size):
        self.bytes = numpy.zeros(size, dtype=numpy.uint8)
        self.address = self.bytes.ctypes.data
        self.size = size


def expected(seed, chunk, chunk_bytes):
    """Every word is unlike every other of its round, and unlike that of any other round at its place."""
    words = chunk_bytes // WORD_BYTES
    first = (chunk * words + seed * SPREAD) & MASK
    numbers = numpy.arange(words, dtype=numpy.uint64) + numpy.uint64(first)
    return (numbers * numpy.uint64(MIX)).view(numpy.uint8)


def fill(memory, case):
    size = case["chunkBytes"]
    for chunk in range(case["chunks"]):
        memory.bytes[chunk * size : (chunk + 1) * size] = expected(case["round"], chunk, size)


def count_wrong(memory, case):
    size = case["chunkBytes"]
    wrong = 0
    for chunk in range(case["chunks"]):
        actual = memory.bytes[chunk * size : (chunk + 1) * size]
        wrong += not numpy.array_equal(actual, expected(case["round"], chunk, size))
    return wrong


def write(adapter, case):
    """Keeps so many batches under way. What the adapter prepares is not timed, and neither is giving it back."""
    size, batch, in_flight = case["chunkBytes"], case["batch"], case["inFlight"]
    prepared = [adapter.prepare(first, batch, size) for first in range(0, case["chunks"], batch)]
    begun_at = {}
    times = []
    start = time.perf_counter()
    following = iter(prepared)
    under_way = []
    more = True
    while more or under_way:
        while more and len(under_way) < in_flight:
            one = next(following, None)
            if one is None:
                more = False
                break
            begun_at[id(one)] = time.perf_counter()
            adapter.begin(one)
            under_way.append(one)
        left = []
        for one in under_way:
            if adapter.is_complete(one):
                times.append(time.perf_counter() - begun_at[id(one)])
            else:
                left.append(one)
        under_way = left
    seconds = time.perf_counter() - start
    for one in prepared:
        adapter.give_back(one)
    p50, p99 = numpy.quantile(numpy.array(times) * 1e6, [0.5, 0.99])
    return {"seconds": seconds, "batchP50Us": round(p50, 1), "batchP99Us": round(p99, 1)}


def main():
    # Libraries print what they like: only our answers go to the real standard output.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    name, role, size, chunk_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    memory = Memory(size)

    def open_adapter(_):
        nonlocal adapter
        adapter = importlib.import_module(name).Adapter(role, memory, chunk_bytes)
        return adapter.address()

    adapter = None
    actions = {
        "open": open_adapter,
        "connect": lambda command: adapter.connect(command["address"]),
        "fill": lambda command: fill(memory, command),
        "write": lambda command: write(adapter, command),
        "verify": lambda command: {"wrongChunks": count_wrong(memory, command)},
    }
    for line in sys.stdin:
        command = json.loads(line)
        try:
            reply = {"ok": True, "answer": actions[command["type"]](command)}
        except Exception as error:  # Whatever it is, the parent must read it.
            reply = {"ok": False, "message": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply) + "\n")
    # Some of these libraries crash when they are taken apart at exit.
    answers.flush()
    os._exit(0)


main()
