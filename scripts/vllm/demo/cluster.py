"""What the demo starts: NATS, two agents, two OpenAI servers of vLLM, and the router from PyPI, unchanged."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from stage.forked import Died, Forked, Zygote
from stage.settings import free_port, kvferry_transfer, remove_memory

import kvferry
from tests.worlds.process import Process
from tests.worlds.real import RealWorld
from tests.worlds.world import Role

MODEL = "small"
HOST = "127.0.0.1"
BLOCK_TOKENS = 32
PAGE_BYTES = 512 << 10
ARENA_PAGES = 256
PROMPT_TOKENS_MAX = 2048
START_SECONDS = 300
ROUTER_SECONDS = 60
POLL_SECONDS = 0.2
ROLES = {"prefill": "kv_producer", "decode": "kv_consumer"}


@dataclass(frozen=True)
class Cluster:
    client: kvferry.Client
    prefill: str
    decode: str
    router: str
    """Addresses of the three servers."""
    vllm: str


@asynccontextmanager
async def cluster(models: Path, folder: Path, say: Callable[[str], None]) -> AsyncIterator[Cluster]:
    """Everything ends with the block. `folder` gets the logs."""
    async with AsyncExitStack() as stack:
        stack.callback(remove_memory)
        say("importing vLLM once, for both servers")
        zygote = await Zygote.start(folder)
        stack.push_async_callback(zygote.close)
        world = await RealWorld.open()
        stack.push_async_callback(world.close)
        client = await stack.enter_async_context(await world.client())
        say("starting NATS, two agents, two servers, and vllm-router")
        await asyncio.gather(*(start_agent(world, role) for role in ROLES))
        urls = {role: f"http://{HOST}:{free_port()}" for role in (*ROLES, "router")}
        servers = [await start_server(zygote, role, urls[role], models, world.url) for role in ROLES]
        await asyncio.gather(*(answers(urls[server.name], server) for server in servers))
        router = await start_router(urls)
        stack.push_async_callback(router.kill)
        await router_answers(urls["router"], router)
        yield Cluster(client, urls["prefill"], urls["decode"], urls["router"], zygote.version)


async def start_agent(world: RealWorld, role: str) -> None:
    kept = {"--retained-pages": str(ARENA_PAGES // 2)} if role == "decode" else {}
    settings = {"--heartbeat-ms": "1000", **kept}
    which: Role = "decode" if role == "decode" else "prefill"
    await world.start(f"{role}-0", which, pages=ARENA_PAGES, page_bytes=PAGE_BYTES, settings=settings)


async def start_server(zygote: Zygote, role: str, url: str, models: Path, nats_url: str) -> Forked:
    transfer = kvferry_transfer(ROLES[role], f"{role}-0", nats_url)
    # Decode without a cache of its own: it loads each prompt as a whole. What prompts share is in the arena.
    caching = "--enable-prefix-caching" if role == "prefill" else "--no-enable-prefix-caching"
    arguments = {
        "--model": str(models / MODEL),
        "--served-model-name": MODEL,
        "--host": HOST,
        "--port": url.rsplit(":", 1)[1],
        "--dtype": "float32",
        "--max-model-len": str(PROMPT_TOKENS_MAX),
        "--block-size": str(BLOCK_TOKENS),
        "--kv-cache-memory-bytes": str(256 << 20),
        "--max-num-seqs": "8",
        "--generation-config": "vllm",
        "--kv-transfer-config": json.dumps(transfer),
    }
    words = [word for argument in arguments.items() for word in argument]
    return await zygote.fork(role, "stage.server", [*words, "--enforce-eager", caching])


async def start_router(urls: dict[str, str]) -> Process:
    port = urls["router"].rsplit(":", 1)[1]
    return await Process.start(
        sys.executable,
        "-m",
        "vllm_router.launch_router",
        "--vllm-pd-disaggregation",
        *("--kv-connector", "nixl"),
        *("--prefill", urls["prefill"]),
        *("--decode", urls["decode"]),
        *("--host", HOST, "--port", port),
        *("--prometheus-port", str(free_port())),
        *("--policy", "round_robin"),
    )


async def answers(url: str, server: Forked | None) -> None:
    """Returns when the server is ready. Raises `Died` when its process ends before."""
    ended = asyncio.create_task(server.report()) if server is not None else None
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(timeout=START_SECONDS) as http:
        while not await is_healthy(http, url):
            if ended is not None and ended.done():
                ended.result()
            await asyncio.sleep(POLL_SECONDS)
    if ended is not None:
        ended.cancel()


async def router_answers(url: str, router: Process) -> None:
    """Raises `Died`, with what the router has printed, when it is not ready."""
    try:
        async with asyncio.timeout(ROUTER_SECONDS):
            await answers(url, None)
    except TimeoutError:
        printed = "\n".join(router.lines[-20:])
        raise Died(f"vllm-router did not answer within {ROUTER_SECONDS} s; it printed\n{printed}") from None


async def is_healthy(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return bool((await http.get(f"{url}/health")).is_success)
    except httpx.TransportError:
        return False
