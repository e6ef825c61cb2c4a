"""An OpenAI server of vLLM in a process that the zygote forked."""

from __future__ import annotations

import multiprocessing
import socket
import sys

from vllm.entrypoints.launchers.api_server.entry import main


def run(_: socket.socket, arguments: list[str]) -> None:
    """`arguments` are those of the command `vllm serve`."""
    contexts = multiprocessing.get_context
    # vLLM starts its engine in a process of its own. A forked one has imported everything already.
    multiprocessing.get_context = lambda method=None: contexts("fork")  # type: ignore[assignment]
    sys.argv = ["vllm", *arguments]
    main()
