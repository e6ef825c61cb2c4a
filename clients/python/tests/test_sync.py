"""The client without asyncio. These tests run outside an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from kvferry import Client as AsyncClient
from kvferry import KvferryError, SourcePool, sync
from kvferry.testing import FakeCluster

from .conftest import content, fresh, new_request
from .worlds.world import PAGE_BYTES


class Fakes:
    """Fake agents in the loop of a client."""

    def __init__(self) -> None:
        self.cluster: FakeCluster | None = None

    async def client(self) -> AsyncClient:
        self.cluster = FakeCluster(page_bytes=PAGE_BYTES)
        await self.cluster.start("prefill-0", "prefill")
        await self.cluster.start("decode-0", "decode")
        return self.cluster.client()


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def client(fakes: Fakes) -> Iterator[sync.Client]:
    with sync.Client.start(fakes.client) as made:
        assert fakes.cluster is not None
        try:
            yield made
        finally:
            made.run(fakes.cluster.close())


def test_a_prompt_travels_between_threads(client: sync.Client, pool: SourcePool) -> None:
    keys = fresh("a", "b")
    decode = client.decode_engine("decode-0")
    request = new_request()
    expected = client.expect(request, 30)
    read: list[bytes] = []

    def reader() -> None:
        end = expected.result(30).check_ready()
        with decode.acquire(end.request, end.epoch, keys) as got:
            read.extend(got.read(key) for key in keys)
            got.check()

    thread = threading.Thread(target=reader)
    thread.start()
    with client.prefill_engine("prefill-0", pool) as engine:
        chunks = engine.fill(keys)
        for chunk in chunks:
            chunk.view[:] = content(chunk.key)
        stream = engine.begin(request, "decode-0", total_chunks=2, timeout=30)
        stream.append(chunks[:1])
        stream.append(chunks[1:])
        stream.finish()
        later = stream.end_later()
        assert stream.ready().epoch == stream.epoch
        assert later.result(30).end == "ready"
        assert client.ask_end(request, str(stream.epoch), sender="prefill-0", receiver="decode-0") is not None
        assert stream.cancel() == "ready"
        thread.join()
        assert read == [content(key) for key in keys]
        with decode.lookup(keys) as found:
            assert found.missing == keys
        engine.discard(engine.fill(fresh("x")))
        assert engine.free_slots == 8
        end = engine.put(new_request(), "decode-0", engine.fill(fresh("y")), timeout=30).end()
        assert decode.take(end.request, end.epoch).missing == []
        decode.release(end.request, end.epoch)


def test_a_failing_reader_still_releases(client: sync.Client, pool: SourcePool) -> None:
    keys = fresh("a")
    with client.prefill_engine("prefill-0", pool) as engine:
        end = engine.put(new_request(), "decode-0", engine.fill(keys), timeout=30).ready()
    decode = client.decode_engine("decode-0")
    with pytest.raises(ZeroDivisionError), decode.acquire(end.request, end.epoch):
        raise ZeroDivisionError
    with decode.lookup(keys) as found:
        assert found.missing == keys


def test_an_error_of_an_agent_reaches_the_thread(client: sync.Client) -> None:
    with pytest.raises(KvferryError) as unknown:
        client.decode_engine("decode-0").take(new_request(), "0" * 16)
    assert unknown.value.code == "unknown_request"
    assert client.run(client.aio.describe("decode-0"))["role"] == "decode"


def test_work_that_does_not_end_is_an_error_at_its_deadline(client: sync.Client) -> None:
    with pytest.raises(KvferryError) as late:
        client.run(asyncio.sleep(60), 0.05)
    assert late.value.code == "deadline_exceeded"


def test_an_end_that_never_comes_is_an_error(client: sync.Client) -> None:
    with pytest.raises(KvferryError) as late:
        client.expect(new_request(), 0.05).result(30)
    assert late.value.code == "deadline_exceeded"


def test_a_closed_client_and_its_waits_end(fakes: Fakes) -> None:
    client = sync.Client.start(fakes.client)
    waiting = client.expect(new_request(), 60)
    assert fakes.cluster is not None
    client.run(fakes.cluster.close())
    client.close()
    client.close()
    with pytest.raises(KvferryError) as closed:
        waiting.result(30)
    assert closed.value.code == "closed"
    with pytest.raises(KvferryError) as refused:
        client.decode_engine("decode-0").take(new_request(), "0" * 16)
    assert refused.value.code == "closed"


def test_a_client_that_was_made_before_a_fork_refuses(client: sync.Client) -> None:
    # A child of a fork has no loop thread. A real fork of a process with threads is what Python warns about.
    client._loop._process = os.getpid() + 1
    with pytest.raises(KvferryError) as forked:
        client.run(client.aio.describe("decode-0"))
    client._loop._process = os.getpid()
    assert forked.value.code == "closed"


def test_the_thread_of_the_loop_does_not_wait_for_itself(client: sync.Client) -> None:
    async def wrong() -> None:
        client.run(client.aio.describe("decode-0"))

    with pytest.raises(KvferryError, match="would wait for itself"):
        client.run(wrong())


def test_no_nats_server_is_an_error_in_time() -> None:
    with pytest.raises(KvferryError) as absent:
        sync.connect("nats://127.0.0.1:1", connect_timeout=0.5)
    assert absent.value.code == "disconnected"
