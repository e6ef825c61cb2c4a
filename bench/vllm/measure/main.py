"""Runs every cell on every system, in turns, and prints the times of each round as JSON."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from stage.engines import EngineRefused
from stage.forked import Zygote
from stage.logs import add_keep_logs, logs
from stage.running import run, say
from stage.settings import remove_memory

from tests.worlds.real import RealWorld

from .cells import cells
from .rounds import Rounds
from .systems import (
    ALONE,
    LAYERS,
    PATHS,
    WIDTH,
    Described,
    System,
    kvferry,
    nixl,
    shared_storage,
    start,
    start_agents,
)

MAKE_MODEL = Path(__file__).parents[3] / "scripts/vllm/make_model.py"
ROUNDS = 3


async def measure(folder: Path, quick: bool) -> dict[str, object]:
    async with everything(folder) as (systems, versions, not_run):
        rounds = Rounds(systems)
        await rounds.warm()
        for number in range(1 if quick else ROUNDS):
            for cell in cells(quick):
                say(f"round {number + 1}: {cell.at_once} at once, {cell.share_percent} % shared")
                await rounds.play(cell, number)
        await rounds.judge()
    return {"versions": versions, "notRun": not_run, "samples": [asdict(sample) for sample in rounds.samples]}


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[tuple[list[System], dict[str, str], list[dict[str, str]]]]:
    """The systems, the versions of what they run on, and the systems that cannot run here. All ends with the block."""
    async with AsyncExitStack() as stack:
        stack.callback(remove_memory)
        model = make_model(folder)
        say("importing vLLM once, for all engines")
        zygote = await Zygote.start(folder)
        stack.push_async_callback(zygote.close)
        world = await RealWorld.open()
        stack.push_async_callback(world.close)
        versions = {"vllm": zygote.version}
        not_run: list[dict[str, str]] = []
        systems: list[System] = []
        store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kvferry-bench-", dir="/dev/shm")))
        for described in (ALONE, *kvferries(world), *nixls(versions, not_run), shared_storage(store)):
            say(f"starting {described.name}, {described.path}")
            await start_agents(world, described)
            try:
                systems.append(await start(zygote, described, model))
            except EngineRefused as refused:
                not_run.append({"what": f"{described.name}, {described.path}", "reason": str(refused)})
        for system in systems:
            stack.push_async_callback(system.close)
        yield systems, versions, not_run


def make_model(folder: Path) -> Path:
    made = folder / "model"
    size = ["--layers", str(LAYERS), "--width", str(WIDTH)]
    subprocess.run([sys.executable, MAKE_MODEL, made, *size], check=True)
    return made


def kvferries(world: RealWorld) -> list[Described]:
    return [*(kvferry(path, world.url) for path in PATHS), kvferry("same-host", world.url, early=True)]


def nixls(versions: dict[str, str], not_run: list[dict[str, str]]) -> list[Described]:
    if importlib.util.find_spec("nixl") is None:
        not_run.append({"what": "nixl", "reason": "its wheels cannot be installed here"})
        return []
    versions["nixl"] = metadata.version("nixl")
    return [nixl(path, transports) for path, transports in PATHS.items()]


def main() -> None:
    options = argparse.ArgumentParser(prog="npm run bench -- --suite vllm")
    options.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--quick", action="store_true", help="one round, and fewer cells")
    add_keep_logs(options)
    chosen = options.parse_args()
    with logs(chosen.keep_logs) as folder:
        print(json.dumps(run(measure(folder, chosen.quick))))


if __name__ == "__main__":
    main()
