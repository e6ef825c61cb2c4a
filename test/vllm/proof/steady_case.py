"""A hundred prompts: the memory of every process stays as it was."""

from __future__ import annotations

from pathlib import Path

from .play import DECODE, Play, check

WARM_PROMPTS, PROMPTS = 30, 70
GROWTH_MIB_MAX = 24


async def memory_is_flat(play: Play) -> None:
    await some_prompts(play, "warm", WARM_PROMPTS)
    before = await resident(play)
    await some_prompts(play, "steady", PROMPTS)
    growth = {name: mib - before[name] for name, mib in (await resident(play)).items()}
    play.memory_growth = max(growth.values())
    check(play.memory_growth <= GROWTH_MIB_MAX, f"memory has grown: {growth} MiB")


async def some_prompts(play: Play, name: str, count: int) -> None:
    for number in range(count):
        await play.ferried(f"{name}-{number}", receiver=DECODE if number % 2 else None)


async def resident(play: Play) -> dict[str, float]:
    """MiB of each process that are not shared with others: files and shared memory do not count."""
    return {name: anonymous_mib(pid) for name, pid in (await play.processes()).items()}


def anonymous_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024
