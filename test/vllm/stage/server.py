"""An OpenAI server of vLLM in a process that the zygote forked."""

from __future__ import annotations

import socket
import sys

from vllm.entrypoints.launchers.api_server.entry import main

from .forking import fork_always


def run(_: socket.socket, arguments: list[str]) -> None:
    """`arguments` are those of the command `vllm serve`."""
    fork_always()
    sys.argv = ["vllm", *arguments]
    main()
