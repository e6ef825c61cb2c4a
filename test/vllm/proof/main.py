"""Runs the cases, judges their answers, and prints what was found. `npm run test:vllm` calls it."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from stage.engines import Engine
from stage.forked import Zygote
from stage.logs import add_keep_logs, logs
from stage.running import run, say
from stage.settings import memory_left, remove_memory

from tests.worlds.real import RealWorld

from .cases import CASES, Case
from .judged import Expected, Verdict, judge
from .play import DECODE, OTHER, PREFILL, TINY, Failed, Play
from .soak_case import soak

MAKE_MODEL = Path(__file__).parents[3] / "scripts/vllm/make_model.py"


async def run_case(play: Play, name: str, case: Case) -> str | None:
    """Why the case failed."""
    play.case = name
    began = time.monotonic()
    try:
        await case(play)
    except Exception as error:  # noqa: BLE001 - the other cases run all the same
        if not isinstance(error, Failed):
            traceback.print_exc()
        reason = f"{name}: {str(error).splitlines()[-1] if str(error) else type(error).__name__}"
        say(f"FAILED  {reason}")
        return reason
    say(f"ok      {name} ({time.monotonic() - began:.1f} s)")
    return None


async def proof(models: Path, folder: Path, wanted: dict[str, Case]) -> dict[str, object]:
    began = time.monotonic()
    zygote = await Zygote.start(folder)
    say(f"vLLM {zygote.version} was imported in {time.monotonic() - began:.0f} s")
    world = await RealWorld.open()
    try:
        async with await world.client() as client:
            play = Play(world, client, zygote, {TINY: models / TINY, OTHER: other_model(folder)}, folder)
            await asyncio.gather(play.start_agent(PREFILL), play.start_agent(DECODE))
            failures = [await run_case(play, name, case) for name, case in wanted.items()]
            leaked = await leaked_pages(play)
            await play.close_engines()
            left = [f"{file} was left behind" for file in memory_left()]
            verdict = await judged(play)
    finally:
        await zygote.close()
        await world.close()
        remove_memory()
    if leaked > 0:
        left.append(f"{leaked} pages of agent {DECODE} are neither free nor cache")
    failed = [failure for failure in failures if failure is not None] + left + verdict.wrong
    return {
        "vllm": zygote.version,
        "cases": len(wanted),
        "answers": len(play.told),
        "equalTokens": verdict.equal,
        "maxLogprobDiff": verdict.logprob_diff,
        "comparedExactly": verdict.exact,
        "negativeControlDiffers": 0 < verdict.changed == verdict.counts[Expected.CHANGED],
        "loaded": verdict.counts[Expected.LOADED],
        "recomputed": verdict.counts[Expected.RECOMPUTED],
        "deduplicated": play.deduplicated,
        "leakedPages": leaked,
        "memoryGrowthMiB": round(play.memory_growth, 1),
        "seconds": round(time.monotonic() - began),
        "failed": failed,
    }


def other_model(folder: Path) -> Path:
    """A model with other layers and weights."""
    made = folder / OTHER
    subprocess.run([sys.executable, MAKE_MODEL, made, "--layers", "3", "--seed", "2"], check=True)
    return made


async def leaked_pages(play: Play) -> int:
    """Pages of the arena that are neither free nor cache, when no request is on its way."""
    with suppress(Failed):
        await play.eventually(play.pages_are_free, "every page is free")
    pages = (await play.client.status(DECODE))["pages"]
    return pages["total"] - pages["free"] - pages["retained"]


async def judged(play: Play) -> Verdict:
    verdict = Verdict()
    for alone in sorted({told.alone for told in play.told}):
        arguments = play.arguments(alone.model, tensor_parallel_size=alone.ranks)
        engine = await Engine.start(play.zygote, f"judge-{alone.model}-{alone.ranks}", arguments)
        await judge(verdict, engine, [told for told in play.told if told.alone == alone])
        await engine.close()
    for wrong in verdict.wrong:
        say(f"WRONG   {wrong}")
    for differing in verdict.differing:
        say(f"differs {differing}")
    return verdict


def main() -> None:
    options = argparse.ArgumentParser(prog="npm run test:vllm --")
    options.add_argument("--models", type=Path, required=True, help=argparse.SUPPRESS)
    options.add_argument("--only", action="append", metavar="TEXT", help="only the cases whose name contains the text")
    options.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")
    options.add_argument("--soak", type=int, metavar="COUNT", help="only this: so many prompts while agents are killed")
    add_keep_logs(options)
    chosen = options.parse_args()
    wanted = {
        name: case for name, case in CASES.items() if chosen.only is None or any(text in name for text in chosen.only)
    }
    if chosen.soak is not None:
        wanted = {"soak": lambda play: soak(play, chosen.soak)}
    with logs(chosen.keep_logs) as folder:
        summary = run(proof(chosen.models, folder, wanted))
    print(json.dumps(summary) if chosen.json else json.dumps(summary, indent=2))
    sys.exit(1 if summary["failed"] else 0)


if __name__ == "__main__":
    main()
