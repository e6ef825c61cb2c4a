"""One question to an OpenAI server: its answer, and the time to the first token."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from nixl_dialect import ask_prefill

from .cluster import MODEL

ANSWER_SECONDS = 300
ANSWER_TOKENS = 16


@dataclass(frozen=True)
class Spoken:
    text: str
    first_token_ms: float


async def prefilled(url: str, prompt: str) -> dict[str, Any]:
    """Asks prefill for one token. Returns what its answer says to decode."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
        asked = body(prompt, 1) | {"kv_transfer_params": ask_prefill()}
        answer = (await http.post(f"{url}/v1/completions", json=asked)).raise_for_status().json()
    transfer: dict[str, Any] = answer["kv_transfer_params"]
    return transfer


async def spoken(url: str, prompt: str, transfer: dict[str, Any] | None = None) -> Spoken:
    """The answer, as it comes."""
    asked = body(prompt, ANSWER_TOKENS) | {"stream": True}
    if transfer is not None:
        asked["kv_transfer_params"] = transfer
    pieces: list[str] = []
    first_token_ms = 0.0
    began = time.perf_counter()
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS) as http,
        http.stream("POST", f"{url}/v1/completions", json=asked) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            first_token_ms = first_token_ms or (time.perf_counter() - began) * 1000
            choices = json.loads(line.removeprefix("data: "))["choices"]
            pieces.extend(choice["text"] for choice in choices)
    return Spoken("".join(pieces), first_token_ms)


async def completed(url: str, prompt: str) -> str:
    """The answer in one piece."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
        answer = await http.post(f"{url}/v1/completions", json=body(prompt, ANSWER_TOKENS))
        text: str = answer.raise_for_status().json()["choices"][0]["text"]
        return text


def body(prompt: str, most: int) -> dict[str, Any]:
    return {"model": MODEL, "prompt": prompt, "max_tokens": most, "temperature": 0, "ignore_eos": True}
