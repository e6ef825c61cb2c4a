"""Agents that do not fit their engine: one clear line in vLLM's log, and prompts are computed until another agent
has the name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.msg import Msg
from stage.engines import Engine
from stage.prompts import prompt

from kvferry.nats_access import AccessClient, NatsAccess
from kvferry.protocol import subjects
from kvferry.protocol.constants import PROTOCOL_VERSION

from .judged import Expected
from .play import DECODE, PAGE_BYTES, Play, check, check_logged_once

AGENT = "decode-2"
CHUNK_BYTES = 128 << 10
SMALL_PAGE = 64 << 10
NO_NATS = "nats://127.0.0.1:1"


async def computed(play: Play, name: str, engine: Engine) -> None:
    tokens = prompt(name, 300)
    await play.decoded(tokens, await play.prefilled(tokens), Expected.RECOMPUTED, engine=engine)


async def no_agent(play: Play) -> None:
    """It is not there, from the beginning."""
    await play.close_engines()
    async with play.engine("decode-lonely", play.transfer("kv_consumer", AGENT)) as decode:
        await computed(play, "lonely", decode)
        check_logged_once(decode, f"] kvferry: agent {AGENT} is not in use: ")
        await play.start_agent(AGENT)
        await play.ferried_again("not-lonely", decode=decode)
    await play.world.kill(AGENT)


async def no_nats(play: Play) -> None:
    """NATS is not there, from the beginning."""
    await play.close_engines()
    async with play.engine("decode-no-nats", play.transfer("kv_consumer", DECODE, nats_url=NO_NATS)) as decode:
        await computed(play, "no-nats-at-start", decode)
        check_logged_once(decode, f"] kvferry: agent {DECODE} is not in use: ")


async def small_page(play: Play) -> None:
    """Its pages are smaller than a chunk, from the beginning; and then after a restart under the engine."""
    await play.close_engines()
    await play.start_agent(AGENT, page_bytes=SMALL_PAGE)
    try:
        async with play.engine("decode-small-page", play.transfer("kv_consumer", AGENT)) as decode:
            await computed(play, "small-page", decode)
            what = f"agent {AGENT} has pages of {SMALL_PAGE} bytes, and a chunk has {CHUNK_BYTES}"
            not_in_use = f"] kvferry: agent {AGENT} is not in use: {what}: start it with --page-bytes {CHUNK_BYTES}"
            check_logged_once(decode, not_in_use)
            await play.world.kill(AGENT)
            await play.start_agent(AGENT, page_bytes=PAGE_BYTES)
            await play.ferried_again("large-page", decode=decode)
            await play.world.kill(AGENT)
            await play.start_agent(AGENT, page_bytes=SMALL_PAGE)
            await computed(play, "small-page-again", decode)
            # The engine notices the new agent before the prompt comes, or the prefill agent refuses the prompt.
            refused = f"chunks of {CHUNK_BYTES} bytes do not fit a page of {SMALL_PAGE} bytes"
            reasons = len(decode.logged(not_in_use)) + len(decode.logged(refused))
            check(reasons == 2, f"the log gives {reasons} reasons for two prompts that were computed")
    finally:
        await play.world.kill(AGENT)


async def small_arena(play: Play) -> None:
    """A prompt has more chunks than the arena has pages. Shorter prompts are loaded."""
    await play.close_engines()
    await play.start_agent(AGENT, pages=4)
    try:
        async with play.engine("decode-small-arena", play.transfer("kv_consumer", AGENT)) as decode:
            await computed(play, "small-arena", decode)
            check_logged_once(decode, f"has 9 chunks to send, and agent {AGENT} has 4 pages")
            tokens = prompt("fits-the-arena", 100)
            await play.decoded(tokens, await play.prefilled(tokens), Expected.LOADED, engine=decode)
    finally:
        await play.world.kill(AGENT)


async def other_version(play: Play) -> None:
    """It refuses this version of the protocol, or answers in another one. Then one of this version has the name."""
    await play.close_engines()
    other = PROTOCOL_VERSION + 7
    refusal = f"protocol version {PROTOCOL_VERSION} is not supported: this program speaks version {other}"
    error = {"code": "unsupported_version", "message": refusal, "field": "v"}
    async with play.engine("decode-version", play.transfer("kv_consumer", AGENT)) as decode:
        async with answering(play, {"v": PROTOCOL_VERSION, "ok": False, "error": error}):
            await computed(play, "refuses-version", decode)
            await play.eventually(lambda: logged(decode, refusal), "the log has the refusal")
        async with answering(play, {"v": other, "ok": True}):
            await computed(play, "other-version", decode)
            answers = f"answers in version {other} of the protocol, and this client speaks {PROTOCOL_VERSION}"
            await play.eventually(lambda: logged(decode, answers), "the log has the other version")
        check_logged_once(decode, f"] kvferry: agent {AGENT} is not in use: {refusal}")
        check_logged_once(decode, f"] kvferry: agent {AGENT} is not in use: the agent {answers}")
        await play.start_agent(AGENT)
        await play.ferried_again("own-version", decode=decode)
    await play.world.kill(AGENT)


async def logged(engine: Engine, text: str) -> bool:
    return engine.logged(text) != []


@asynccontextmanager
async def answering(play: Play, answer: dict[str, Any]) -> AsyncIterator[None]:
    """Something has the name of the agent, and answers each message so."""
    connection = AccessClient(NatsAccess(), [play.world.url])
    await connection.connect(play.world.url)

    async def respond(message: Msg) -> None:
        await message.respond(json.dumps(answer).encode())

    await connection.subscribe(subjects.operation(AGENT, "*", "*"), cb=respond)
    await connection.flush()
    try:
        yield
    finally:
        await connection.close()
