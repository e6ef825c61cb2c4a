"""Clients that go away in each phase of a request. Its pages and slots come back, and the next request is served."""

from __future__ import annotations

import signal

from stage.prompts import prompt

from nixl_dialect import ask_prefill

from .play import ANSWER_TOKENS, DECODE, PREFILL, Play


async def in_prefill(play: Play) -> None:
    for number, receiver in enumerate((None, DECODE)):
        engine = await play.prefill()
        running = engine.begin(prompt(f"abort-prefill-{number}", 1500), 1, ask_prefill(receiver))
        await running.is_computing()
        engine.abort(running)
    await everything_comes_back(play, "after-abort-in-prefill")


async def while_offered(play: Play) -> None:
    """Prefill has answered, and decode is never asked: the offer expires."""
    await play.prefilled(prompt("abort-offered", 300))
    await everything_comes_back(play, "after-abort-while-offered")


async def while_loading(play: Play) -> None:
    """The prefill agent stands still, so that the chunks are on their way for as long as it takes."""
    tokens = prompt("abort-loading", 300)
    prefilled = await play.prefilled(tokens)
    play.world.signal(PREFILL, signal.SIGSTOP)
    try:
        running = await play.decoding(tokens, prefilled)
        await running.is_loading()
        (await play.decode()).abort(running)
    finally:
        play.world.signal(PREFILL, signal.SIGCONT)
    await everything_comes_back(play, "after-abort-while-loading")


async def while_decoding(play: Play) -> None:
    tokens = prompt("abort-decoding", 300)
    running = await play.decoding(tokens, await play.prefilled(tokens))
    await running.has_tokens(ANSWER_TOKENS // 8)
    (await play.decode()).abort(running)
    await everything_comes_back(play, "after-abort-while-decoding")


async def everything_comes_back(play: Play, name: str) -> None:
    await play.ferried_again(name)
    await play.eventually(play.pages_are_free, "every page is free again")
    await play.eventually(play.source_is_free, "every slot is free again")
