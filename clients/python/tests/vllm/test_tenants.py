"""Two teams on the same agents: real ones, behind a NATS server that holds each team to its tenant."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kvferry
from kvferry.loop_thread import LoopThread
from kvferry.protocol.subjects import ROOT, inbox_prefix, operation

from ..conftest import REQUIRED
from ..worlds import credentials
from ..worlds.real import RealWorld, missing
from .engines import FakeEngine, ask, eventually, expected, prompt, scheduled

START_SECONDS = 120
BLOCKS = 6
TOKENS = 24


def rights(tenant: str) -> str:
    """The least that engines of a tenant need: of a prefill server beside `prefill-0`, and a decode server beside
    `decode-0`."""
    prefill = ("attach", "detach", "put", "cancel", "describe", "sources", "open", "renew", "barrier", "end")
    decode = ("acquire", "release", "describe")
    # A prefill server releases what it had pushed early, and an aborted prompt does not need any more.
    everywhere = ("route", "cancel", "status", "sources", "release")
    send = [
        operation(agent, tenant, name)
        for agent, names in (("prefill-0", prefill), ("decode-0", decode), ("*", everywhere))
        for name in names
    ]
    read = [
        f"{inbox_prefix(f'{tenant}-engine')}.>",
        f"{ROOT}.event.*.{tenant}.*",
        f"{ROOT}.source.*.{tenant}",
        f"{ROOT}.heartbeat.*",
    ]
    return f"permissions: {{ publish: {send}, subscribe: {read} }}".replace("'", '"')


class Teams:
    """Each has an nkey of its own. NATS has TLS."""

    def __init__(self, folder: Path) -> None:
        self.loop = LoopThread("test")
        self.engines: list[FakeEngine] = []
        signer = credentials.authority(folder, "authority")
        chain, key = credentials.certificate(signer, "server")
        self._files = {name: credentials.user(folder, name) for name in ("team-a", "team-b")}
        self._authority = str(signer)
        users = [f"{{ nkey: {public}, {rights(name)} }}" for name, (_, public) in self._files.items()]
        nats = (
            f'tls {{ cert_file: "{chain}", key_file: "{key}" }}\n'
            f"authorization {{ users: [ {{ user: agents, password: secret }}, {', '.join(users)} ] }}"
        )
        self.world = self.loop.run(RealWorld.open(nats), START_SECONDS)
        url = self.world.url.replace("//", "//agents:secret@")
        own = {"--nats-url": url, "--nats-ca": self._authority}
        kept = {**own, "--retained-pages": "8"}
        self.loop.run(self.world.start("prefill-0", "prefill", settings=own), START_SECONDS)
        self.loop.run(self.world.start("decode-0", "decode", settings=kept), START_SECONDS)
        self._observer = self.loop.run(kvferry.connect(url, nats_ca=self._authority))

    def engine(self, team: str, agent: str, role: str, **extra: Any) -> FakeEngine:
        settings: dict[str, Any] = {
            "nats_url": self.world.url,
            "nats_ca": self._authority,
            "nats_nkey": str(self._files[team][0]),
            "nats_inbox": f"{team}-engine",
            "tenant": team,
            "slots": 16,
            "load_timeout": 10,
            **extra,
        }
        # The models of the teams have other weights under one name, so that foreign bytes are seen.
        made = FakeEngine(agent, role, self.loop, None, settings, weights=team)
        self.engines.append(made)
        return made

    def held_pages(self) -> int:
        """Pages of the decode agent that are neither free nor cache."""
        pages = self.loop.run(self._observer.status("decode-0"))["pages"]
        return pages["total"] - pages["free"] - pages["retained"]

    def close(self) -> None:
        for engine in self.engines:
            engine.worker.close()
        self.loop.run(self._observer.close())
        self.loop.run(self.world.close(), START_SECONDS)
        self.loop.stop()


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    why = missing()
    if why is not None and not REQUIRED:
        pytest.skip(f"no real agents: {why}")
    made = Teams(tmp_path_factory.mktemp("nats"))
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("receiver", [None, "decode-0"])
def test_equal_prompts_of_two_tenants_share_no_chunk(
    teams: Teams, receiver: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    seed = 1 if receiver is None else 2
    for tenant in ("team-a", "team-b"):
        prefill, decode = teams.engine(tenant, "prefill-0", "producer"), teams.engine(tenant, "decode-0", "consumer")
        params = prefill.prefill(prompt("a", TOKENS, ask(receiver), seed), [TOKENS])
        request = prompt("b", TOKENS, params, seed)
        assert decode.fetch(request) == set()
        assert decode.contents(request) == expected(request.prompt_token_ids or [], BLOCKS, tenant)
    assert "has not the right" not in caplog.text


def test_a_prompt_of_one_tenant_is_not_known_to_another_one(teams: Teams, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "vllm.kvferry")
    prefill, decode = teams.engine("team-a", "prefill-0", "producer"), teams.engine("team-b", "decode-0", "consumer")
    params = prefill.prefill(prompt("a", TOKENS, ask(), 3), [TOKENS])
    refused = prompt("b", TOKENS, params, 3)
    assert decode.fetch(refused) == set(decode.blocks["b"])
    assert "is of tenant team-a, and this one of team-b" in caplog.text
    caplog.clear()
    forged = {**params, "kvferry": {**params["kvferry"], "tenant": "team-b"}}
    unknown = prompt("c", TOKENS, forged, 3)
    assert decode.fetch(unknown) == set(decode.blocks["c"])
    assert any("unknown_request" in line for line in caplog.messages)
    own = teams.engine("team-a", "decode-0", "consumer")
    known = prompt("d", TOKENS, params, 3)
    assert own.fetch(known) == set()
    assert own.contents(known) == expected(known.prompt_token_ids or [], BLOCKS, "team-a")


def test_an_aborted_prefill_gives_back_what_it_had_pushed_early(teams: Teams, caplog: pytest.LogCaptureFixture) -> None:
    prefill, request = teams.engine("team-a", "prefill-0", "producer"), prompt("a", TOKENS, ask("decode-0"), 4)
    eventually(lambda: teams.held_pages() == 0, "no prompt of another test holds a page")
    blocks = prefill.allocate(request, TOKENS)
    prefill.scheduler.allocated(request, blocks, 0)
    prefill.compute(request, 0, TOKENS)
    prefill.run(scheduled(new=[("a", blocks, 0, TOKENS)]))
    eventually(lambda: teams.held_pages() == 3, "the chunks have arrived")
    assert prefill.end(request, "FINISHED_ABORTED") is None
    eventually(lambda: teams.held_pages() == 0, "the pages are given back")
    assert "has not the right" not in caplog.text


def test_nats_holds_an_engine_to_its_tenant(teams: Teams, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvferry.background_link.START_SECONDS", 0.1)
        teams.engine("team-a", "decode-0", "consumer", tenant="team-b")
    denied = f'for publish to "{ROOT}.agent.decode-0.team-b.describe"'
    eventually(lambda: denied in caplog.text.lower(), "the log names the right that is missing")
