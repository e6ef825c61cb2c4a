"""Asks the decode server alone, then prefill and decode, then the router, and compares the answers."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from stage.logs import add_keep_logs, logs
from stage.running import run, say

from .asking import completed, prefilled, spoken
from .cluster import Cluster, cluster

COUNTERS = ("chunks_written", "chunks_deduplicated")
# The model's tokens are bytes: a system prompt of 1,300 tokens, and questions of their own.
SYSTEM = (
    "You answer in one sentence. Each request ends once, with a reason, and no reader sees bytes before they arrive. "
    * 12
)
QUESTIONS = ("Who writes a shared chunk?", "When may a page be used again?", "What happens when the writer dies?")


@dataclass(frozen=True)
class Row:
    question: str
    answer: str
    equal: bool
    router_equal: bool
    router_chunks: int
    """Chunks that decode had from its agent when the router asked."""
    chunks: int
    deduplicated: int
    first_token_ms: float
    recompute_ms: float


async def counted(there: Cluster) -> dict[str, int]:
    counters = (await there.client.status("decode-0"))["counters"]
    return {name: counters.get(name, 0) for name in COUNTERS}


async def ask(there: Cluster, prompt: str, question: str) -> Row:
    before = await counted(there)
    alone = await spoken(there.decode, prompt)
    moved = await spoken(there.decode, prompt, await prefilled(there.prefill, prompt))
    after = await counted(there)
    routed = await completed(there.router, prompt)
    in_the_end = await counted(there)
    return Row(
        question=question,
        answer=moved.text,
        equal=moved.text == alone.text,
        router_equal=routed == alone.text,
        router_chunks=sum(in_the_end.values()) - sum(after.values()),
        chunks=after["chunks_written"] - before["chunks_written"],
        deduplicated=after["chunks_deduplicated"] - before["chunks_deduplicated"],
        first_token_ms=round(moved.first_token_ms, 1),
        recompute_ms=round(alone.first_token_ms, 1),
    )


async def demo(models: Path, folder: Path) -> dict[str, object]:
    async with cluster(models, folder, say) as there:
        say("asking")
        # The first request of a server allocates and imports what later ones use.
        await ask(there, SYSTEM[::-1], "")
        rows = [await ask(there, SYSTEM + question, question) for question in QUESTIONS]
        for row in rows:
            show(row)
    return {
        "vllm": there.vllm,
        "tokensEqual": all(row.equal for row in rows),
        "routerTokensEqual": all(row.router_equal for row in rows),
        "routerChunks": sum(row.router_chunks for row in rows),
        "chunks": sum(row.chunks for row in rows),
        "deduplicated": sum(row.deduplicated for row in rows),
        "ttftMs": statistics.median(row.first_token_ms for row in rows),
        "recomputeTtftMs": statistics.median(row.recompute_ms for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def show(row: Row) -> None:
    say("")
    say(f"question      {row.question}")
    say(f"answer        {row.answer!r} (random weights)")
    say(f"one server    {'the same tokens' if row.equal else 'OTHER TOKENS'}")
    said = "the same tokens" if row.router_equal else "OTHER TOKENS"
    say(f"vllm-router   {said}, {row.router_chunks} chunks by kvferry")
    say(f"chunks        {row.chunks} travelled, {row.deduplicated} were there already")
    say(f"first token   {row.first_token_ms} ms after prefill; {row.recompute_ms} ms when decode computes the prompt")


def main() -> None:
    options = argparse.ArgumentParser(prog="npm run demo:vllm --")
    options.add_argument("--models", type=Path, required=True, help=argparse.SUPPRESS)
    options.add_argument("--json", action="store_true", help="print the result as one JSON object on the last line")
    add_keep_logs(options)
    chosen = options.parse_args()
    with logs(chosen.keep_logs) as folder:
        result = run(demo(chosen.models, folder))
    if chosen.json:
        print(json.dumps(result))
    promised = ("tokensEqual", "routerTokensEqual", "routerChunks", "chunks", "deduplicated")
    sys.exit(0 if all(result[name] for name in promised) else 1)


if __name__ == "__main__":
    main()
