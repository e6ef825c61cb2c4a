"""Imports vLLM once, and forks a process for each order. An import takes half a minute of a processor, a
fork takes none.

An order is one packet on the socket whose number is the argument: JSON {"run": module, "spec": …}, with two files: the
channel of the new process and its log. The answer is its process id. Everything ends when the socket is closed."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import sys
import traceback

import torch
import vllm.distributed.kv_transfer.kv_connector.v1.example_connector
import vllm.entrypoints.launchers.api_server.entry
import vllm.model_executor.model_loader.default_loader
import vllm.model_executor.models.llama
import vllm.v1.attention.backends.cpu_attn
import vllm.v1.engine.llm_engine
import vllm.v1.executor.multiproc_executor
import vllm.v1.executor.uniproc_executor
import vllm.v1.worker.cpu_worker

PACKET_BYTES = 1 << 16


def main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # The harness ends its zygote. A Ctrl-C of the terminal must not do it first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders.send(json.dumps({"vllm": vllm.__version__}).encode())
    children: list[int] = []
    while True:
        packet, files, _, _ = socket.recv_fds(orders, PACKET_BYTES, 2)
        if not packet:
            break
        order, (channel, log) = json.loads(packet), files
        child = os.fork()
        if child == 0:
            orders.close()
            become(order, channel, log)
        os.close(channel)
        os.close(log)
        children.append(child)
        orders.send(json.dumps({"pid": child}).encode())
    for child in children:
        kill_group(child)


def become(order: dict[str, object], channel: int, log: int) -> None:
    """Runs the module in this process, which never returns."""
    # A group of its own: the harness ends it with the processes that vLLM starts.
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    # Threads of OpenMP that wait for each other on a busy processor take minutes.
    torch.set_num_threads(1)
    ctypes.CDLL(None).omp_set_num_threads(1)
    status = 1
    try:
        importlib.import_module(str(order["run"])).run(socket.socket(fileno=channel), order["spec"])
        status = 0
    except BaseException:  # noqa: BLE001 - the log is the only reader
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
