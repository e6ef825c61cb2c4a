"""Credentials and TLS of NATS: files, which are read again for every connection; a refusal names the argument."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats.errors
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

import kvferry
from kvferry import Client, KvferryError, RequestEnds
from kvferry.nats_access import AccessClient, NatsAccess
from kvferry.protocol import subjects
from kvferry.transport import NatsTransport

from .conftest import REQUIRED, eventually
from .worlds.credentials import authority, certificate, user
from .worlds.process import Process
from .worlds.real import PATH


class Server:
    """A NATS server with a configuration of the test."""

    def __init__(self, directory: Path) -> None:
        self._configuration = directory / "nats.conf"
        self.process: Process | None = None

    def configure(self, text: str) -> None:
        self._configuration.write_text(text)

    async def start(self, text: str) -> str:
        self.configure(text)
        command = ["nats-server", "--addr", "127.0.0.1", "--port", "-1", "--config", str(self._configuration)]
        self.process = await Process.start(*command, env={"PATH": PATH})
        listening = await self.process.printed("Listening for client connections on")
        await self.process.printed("Server is ready")
        found = re.search(r":(\d+)$", listening.strip())
        assert found is not None
        return f"nats://127.0.0.1:{found[1]}"


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    if shutil.which("nats-server", path=PATH) is None and not REQUIRED:
        pytest.skip("nats-server is not installed")
    made = Server(tmp_path)
    try:
        yield made
    finally:
        if made.process is not None:
            await made.process.kill()


def _users(*keys: str) -> str:
    return f"authorization {{ users: [ {', '.join(f'{{ nkey: {key} }}' for key in keys)} ] }}"


async def _refusal(url: str, **arguments: Any) -> str:
    with pytest.raises(KvferryError) as refused:
        await kvferry.connect(url, connect_timeout=3, **arguments)
    assert refused.value.code == "disconnected"
    return refused.value.message


async def test_a_reason_stays_when_the_next_attempt_is_cut_off() -> None:
    transport = NatsTransport(AccessClient(NatsAccess(), ["nats://127.0.0.1:1"]))
    report = transport._failed
    await report(ConnectionResetError("reset by peer"))
    assert transport.refusal == "reset by peer"
    await report(Exception("nats: 'Authorization Violation'"))
    await report(ConnectionResetError("reset by peer"))
    assert transport.refusal == "nats: 'Authorization Violation'"


async def test_nkey_file(server: Server, tmp_path: Path) -> None:
    (known, key), (stranger, _) = user(tmp_path, "known"), user(tmp_path, "stranger")
    url = await server.start(_users(key))
    async with await kvferry.connect(url, nats_nkey=str(known)) as client:
        assert client.is_connected
    remedy = f": the server does not know the nkey of {stranger} (nats_nkey): add it to its users"
    assert remedy in await _refusal(url, nats_nkey=str(stranger))
    assert ": give a user by nats_creds or nats_nkey" in await _refusal(url)


async def test_renewed_nkey_file(server: Server, tmp_path: Path) -> None:
    (file, first), (renewed, second) = user(tmp_path, "first"), user(tmp_path, "second")
    url = await server.start(_users(first))
    async with await kvferry.connect(url, nats_nkey=str(file)) as client:
        changes: list[bool] = []
        client.on_connection(changes.append)
        file.write_bytes(renewed.read_bytes())
        server.configure(_users(second))
        assert server.process is not None
        server.process.signal(signal.SIGHUP)
        await eventually(lambda: changes == [False, True], "the client is connected again with the new user")


async def test_private_authority(server: Server, tmp_path: Path) -> None:
    signer = authority(tmp_path, "authority")
    chain, key = certificate(signer, "server")
    url = await server.start(f'tls {{ cert_file: "{chain}", key_file: "{key}" }}')
    async with await kvferry.connect(url, nats_ca=str(signer)) as client:
        assert client.is_connected
    assert ": name the authority that has signed the server's certificate: nats_ca" in await _refusal(url)
    (tmp_path / "elsewhere").mkdir()
    other = authority(tmp_path / "elsewhere", "authority")
    reason = await _refusal(url, nats_ca=str(other))
    assert f": no authority in {other} (nats_ca) has signed the server's certificate" in reason


async def test_mutual_tls(server: Server, tmp_path: Path) -> None:
    signer = authority(tmp_path, "authority")
    chain, key = certificate(signer, "server")
    own, own_key = certificate(signer, "client")
    verify = f'ca_file: "{signer}", verify: true'
    url = await server.start(f'tls {{ cert_file: "{chain}", key_file: "{key}", {verify} }}')
    files: dict[str, Any] = {"nats_ca": str(signer), "nats_cert": str(own), "nats_key": str(own_key)}
    async with await kvferry.connect(url, **files) as client:
        assert client.is_connected
    assert ": the server asks for a certificate" in await _refusal(url, nats_ca=str(signer))


async def test_right_that_is_missing(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    own = f'publish: ["{subjects.ROOT}.agent.*.team-a.*"], subscribe: ["{subjects.inbox_prefix("own")}.>"]'
    url = await server.start(f"authorization {{ users: [ {{ user: u, password: p, permissions: {{ {own} }} }} ] }}")
    place = url.replace("//", "//u:p@")
    async with await kvferry.connect(place, inbox="own", tenant="team-a", call_timeout=20) as client:
        with pytest.raises(KvferryError, match="no_responders"):
            await client.describe("decode-0")
        other = Client(client._transport, tenant="team-b", call_timeout=20)
        for _ in range(2):
            with pytest.raises(KvferryError, match=r"agent\.decode-0\.team-b\.describe.*publication_refused"):
                await other.describe("decode-0")
        with pytest.raises(KvferryError, match=r"discover.*publication_refused"):
            await client.discover()
        with pytest.raises(KvferryError, match=r"connect with `tenant`, also when it is 'default'"):
            await Client(client._transport, call_timeout=20).status("decode-0")
    lines = [record.getMessage().lower() for record in caplog.records]
    assert len(lines) == 3
    denied = subjects.operation("decode-0", "team-b", "describe")
    assert f'permissions violation for publish to "{denied}"' in lines[0]


async def test_events_that_are_refused(server: Server) -> None:
    own = f'subscribe: ["{subjects.inbox_prefix("own")}.>", "{subjects.ROOT}.event.*.team-a.*"]'
    url = await server.start(f"authorization {{ users: [ {{ user: u, password: p, permissions: {{ {own} }} }} ] }}")
    async with await kvferry.connect(url.replace("//", "//u:p@"), inbox="own", tenant="team-a") as client:
        other = Client(client._transport, tenant="team-b")
        for _ in range(2):
            with pytest.raises(KvferryError, match=r"event\.\*\.team-b\.\*.*subscription_refused"):
                await RequestEnds.open(other)
        await (await RequestEnds.open(client)).close()


async def test_inbox_that_is_refused(server: Server) -> None:
    own = f'subscribe: ["{subjects.inbox_prefix("own")}.>"]'
    url = await server.start(f"authorization {{ users: [ {{ user: u, password: p, permissions: {{ {own} }} }} ] }}")
    async with await kvferry.connect(url.replace("//", "//u:p@"), inbox="other", call_timeout=20) as client:
        for _ in range(2):
            with pytest.raises(KvferryError, match=r"_inbox_client\.other\..*subscription_refused"):
                await client.describe("decode-0")


@pytest.mark.parametrize(("scheme", "arguments"), [("tls", {}), ("nats", {"nats_tls": "required"})])
async def test_server_without_tls(server: Server, scheme: str, arguments: dict[str, Any]) -> None:
    url = await server.start("")
    place = url.removeprefix("nats://")
    assert "the server has no TLS" in await _refusal(f"{scheme}://user:secret@{place}", **arguments)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"nats_creds": "/nonexistent"}, "nats_creds"),
        ({"nats_creds": "/dev/null", "nats_nkey": "/dev/null"}, "nats_nkey"),
        ({"nats_cert": "/dev/null"}, "nats_cert"),
        ({"nats_tls": "maybe"}, "nats_tls"),
        ({"nats_ca": "/dev/null"}, "nats_ca"),
    ],
)
async def test_unusable_arguments(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(KvferryError) as refused:
        await kvferry.connect("nats://127.0.0.1:1", **arguments)
    assert (refused.value.code, refused.value.field) == ("invalid_configuration", field)


@pytest.mark.parametrize("name", ["nats_creds", "nats_nkey"])
@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMIIB\n", "-----BEGIN NATS USER JWT-----\na.b.c\n"])
async def test_another_kind_of_file(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    arguments: dict[str, Any] = {name: str(file)}
    with pytest.raises(KvferryError, match=f"{name}: the file {file} has no ") as refused:
        await kvferry.connect("nats://127.0.0.1:1", **arguments)
    assert (refused.value.code, refused.value.field) == ("invalid_configuration", name)


async def test_a_file_that_becomes_another_kind_is_an_error_after_which_the_client_tries_again(tmp_path: Path) -> None:
    file, _ = user(tmp_path, "known")
    client = AccessClient(NatsAccess(nkey=str(file)), ["nats://127.0.0.1:1"])
    client._nkeys_seed = str(file)
    client._server_info = {"nonce": "nonce"}
    client.options = {"verbose": False, "pedantic": False, "no_echo": False, "name": "test"}
    assert client._connect_command().startswith(b"CONNECT ")
    file.write_bytes(b"")
    with pytest.raises(nats.errors.Error, match="the file of the user cannot be used"):
        client._connect_command()


@pytest.mark.parametrize("name", ["nats_creds", "nats_nkey"])
async def test_a_user_without_the_package_that_reads_its_seed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)
    arguments: dict[str, Any] = {name: "/dev/null"}
    with pytest.raises(KvferryError) as refused:
        await kvferry.connect("nats://127.0.0.1:1", **arguments)
    assert refused.value.message == f"{name}: needs the package nkeys: pip install nkeys"


async def test_a_flush_confirms_the_subscriptions_before_it() -> None:
    commands: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "one", "version": "2.9.10", "proto": 1, "headers": True, "max_payload": 1 << 20}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        while line := await reader.readline():
            commands.append(line.split()[0])
            if commands[-1] == b"PING":
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"nats://127.0.0.1:{port}"
    client = AccessClient(NatsAccess(), [url])
    async with server:
        await client.connect(url)
        await client.subscribe("any")
        await client.flush()
        await client.close()
    assert commands == [b"CONNECT", b"PING", b"SUB", b"PING"]


async def test_inboxes_cannot_be_guessed(server: Server) -> None:
    """P31: who has seen where one answer comes does not know where the next one does."""
    url = await server.start("")
    async with await kvferry.connect(url) as client:
        replies: list[str] = []
        stranger = AccessClient(NatsAccess(), [url])
        await stranger.connect(url)

        async def answer(message: Msg) -> None:
            replies.append(message.reply.rpartition(".")[2])
            await message.respond(b'{"v":2,"ok":false,"error":{"code":"internal","message":"no"}}')

        await stranger.subscribe("kvferry.v2.agent.prefill-0.default.describe", cb=answer)
        await stranger.flush()
        for _ in range(2):
            with pytest.raises(KvferryError, match="internal"):
                await client.describe("prefill-0")
        await stranger.close()
    assert len(replies) == 2
    assert replies[0][:8] != replies[1][:8]
