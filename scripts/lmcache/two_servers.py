"""Two LMCache servers with kvferry between them: does decode load the prompts of prefill, and generate the same tokens?

    npm run test:lmcache -- [--json]

Exit status 2: this machine cannot run it, and the last line says why."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from environment import CannotSetUp, environment

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "clients/python"
PAGE_BYTES = 4 << 20
PROMPT_TOKENS = 600
CHUNKS = 2
"""Whole chunks of a prompt: LMCache's have 256 tokens."""
START_SECONDS = 420
ANSWER_SECONDS = 240
STORE_SECONDS = 60
EXIT_CANNOT_RUN = 2
VARIABLES = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "LMCACHE_TRACK_USAGE": "false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONPATH": f"{CLIENT / 'src'}{os.pathsep}{CLIENT}",
}


class Failed(Exception):
    """The text has the end of a log."""


class Child:
    """A process whose output goes to a log. It ends with this one."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: Path) -> None:
        self.process = process
        self.name = name
        self.log = log

    @classmethod
    async def start(cls, name: str, folder: Path, *command: str) -> Child:
        log = folder / f"{name}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", sys.executable, *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=file,
                stderr=file,
                env={**os.environ, **VARIABLES},
            )
        return cls(process, name, log)

    async def result(self, number: int, seconds: float) -> dict[str, Any]:
        """The result with that number, from 0."""
        async with asyncio.timeout(seconds):
            while True:
                lines = [line for line in self.log.read_text(errors="replace").splitlines() if "RESULT {" in line]
                if len(lines) > number:
                    found: dict[str, Any] = json.loads(lines[number].split("RESULT ", 1)[1])
                    return found
                self.check()
                await asyncio.sleep(0.1)

    async def listens(self, port: int) -> None:
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    self.check()
                    await asyncio.sleep(0.2)
                else:
                    writer.close()
                    return

    def check(self) -> None:
        if self.process.returncode is not None:
            end = self.log.read_text(errors="replace").splitlines()[-25:]
            raise Failed("\n".join([f"{self.name} ended; its log ends with", *end]))

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Engine:
    """vLLM with an LMCache server."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._asked = 0

    async def ready(self) -> None:
        await self._child.result(0, START_SECONDS)

    async def generate(self, prompts: list[list[int]]) -> dict[str, Any]:
        pipe = self._child.process.stdin
        assert pipe is not None
        pipe.write(json.dumps(prompts).encode() + b"\n")
        await pipe.drain()
        self._asked += 1
        return await self._child.result(self._asked, ANSWER_SECONDS)


def prompts(count: int, seed: int) -> list[list[int]]:
    numbers = random.Random(seed)
    return [[numbers.randrange(256) for _ in range(PROMPT_TOKENS)] for _ in range(count)]


async def prove(models: Path, folder: Path) -> dict[str, Any]:
    from tests.worlds.real import RealWorld, missing

    why = missing()
    if why is not None:
        raise CannotSetUp(why)
    world = await RealWorld.open()
    children: list[Child] = []
    try:
        await world.start("prefill-0", "prefill", page_bytes=PAGE_BYTES, pages=64)
        await world.start("decode-0", "decode", page_bytes=PAGE_BYTES, pages=64)
        decode_parameters = {"agent": "decode-0", "nats_url": world.url, "senders": ["prefill-0"], "unknown_timeout": 5}
        prefill = await start(children, folder, models, {"agent": "prefill-0", "nats_url": world.url})
        decode = await start(children, folder, models, decode_parameters)
        await asyncio.gather(prefill.ready(), decode.ready())
        say("both servers are ready")
        async with await world.client() as client:
            return await cases(world, client, prefill, decode)
    finally:
        for child in reversed(children):
            await child.kill()
        await world.close()
        remove_memory()


def remove_memory() -> None:
    """Servers that are killed leave their source memory behind."""
    for file in Path("/dev/shm").glob(f"kvferry-lmcache-*-{os.getpid()}*"):
        file.unlink()


async def start(children: list[Child], folder: Path, models: Path, parameters: dict[str, Any]) -> Engine:
    agent, port = parameters["agent"], free_port()
    parameters = {**parameters, "memory_bytes": 64 << 20, "segment": f"lmcache-{agent}-{os.getpid()}"}
    server = await Child.start(f"lmcache-{agent}", folder, str(HERE / "server.py"), str(port), json.dumps(parameters))
    children.append(server)
    await server.listens(port)
    engine = await Child.start(f"vllm-{agent}", folder, str(HERE / "engine.py"), str(models / "tiny"), str(port))
    children.append(engine)
    return Engine(engine)


async def cases(world: Any, client: Any, prefill: Engine, decode: Engine) -> dict[str, Any]:
    moved = await moves(client, prefill, decode, prompts(2, 1))
    alone = await decode.generate(prompts(1, 2))
    await world.kill("decode-0")
    without = prompts(1, 3)
    expected = await prefill.generate(without)
    got = await decode.generate(without)
    await world.start("decode-0", "decode", page_bytes=PAGE_BYTES, pages=64)
    again = await moves(client, prefill, decode, prompts(1, 4))
    return {
        "equalTokens": moved["equal"] and again["equal"] and got["tokens"] == expected["tokens"],
        "cachedTokens": moved["cached"],
        "cachedTokensOfUnknownPrompt": alone["cached"],
        "cachedTokensWithoutAgent": got["cached"],
        "cachedTokensAfterRestart": again["cached"],
    }


async def moves(client: Any, prefill: Engine, decode: Engine, asked: list[list[int]]) -> dict[str, Any]:
    """Prefill computes, and decode loads."""
    before = await offers(client)
    expected = await prefill.generate(asked)
    await offered(client, before + CHUNKS * len(asked))
    got = await decode.generate(asked)
    say(f"cached {got['cached']}, {'the same tokens' if got['tokens'] == expected['tokens'] else 'OTHER TOKENS'}")
    return {"equal": got["tokens"] == expected["tokens"] and not any(expected["cached"]), "cached": got["cached"]}


async def offered(client: Any, chunks: int) -> None:
    """LMCache answers before its adapter has stored the chunks."""
    async with asyncio.timeout(STORE_SECONDS):
        while True:
            if await offers(client) >= chunks:
                return
            await asyncio.sleep(0.1)


async def offers(client: Any) -> int:
    rows = (await client.status("prefill-0", lists=["requests"]))["requests"]
    return sum(1 for row in rows if "end" not in row)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def say(line: str) -> None:
    print(f"lmcache: {line}", file=sys.stderr, flush=True)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")
    options.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    try:
        if chosen.models is None:
            python, models = environment()
            os.execve(python, [str(python), *sys.argv, "--models", str(models)], {**os.environ, **VARIABLES})
        with tempfile.TemporaryDirectory(prefix="kvferry-lmcache-") as folder:
            result = asyncio.run(prove(chosen.models, Path(folder)))
    except CannotSetUp as error:
        say(f"cannot run: {error}")
        return EXIT_CANNOT_RUN
    if chosen.json:
        print(json.dumps(result))
    wanted = all(result["cachedTokens"]) and all(result["cachedTokensAfterRestart"])
    return 0 if result["equalTokens"] and wanted and not any(result["cachedTokensOfUnknownPrompt"]) else 1


if __name__ == "__main__":
    sys.exit(main())
