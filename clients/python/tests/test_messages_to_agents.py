"""Single messages: fake and real agents answer them alike."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from kvferry import Client, KvferryError, SourcePool

from .conftest import fresh, new_request
from .worlds.world import PAGE_BYTES, World


async def refusal(client: Client, agent: str, operation: str, **fields: object) -> tuple[str, str | None]:
    """The code and the field of the error."""
    with pytest.raises(KvferryError) as refused:
        await client.call(agent, operation, fields)
    return refused.value.code, refused.value.field


async def opened(client: Client) -> str:
    session = secrets.token_hex(8)
    reply = await client.open("prefill-0", session=session, holder="test", silentMs=30_000)
    assert reply["order"] == 0
    return session


def put(request: str, keys: list[str], segment: str, **more: object) -> dict[str, object]:
    source = [{"segment": segment, "offset": 0, "length": PAGE_BYTES, "count": len(keys)}] if keys else []
    fields = {"request": request, "receiver": "decode-0", "batch": 0, "last": True, "totalChunks": len(keys)}
    return {**fields, "timeoutMs": 30_000, "keys": keys, "source": source, **more}


async def test_the_agents_describe_themselves(client: Client) -> None:
    found = await client.discover(0.5)
    roles = {agent["agent"]: agent["role"] for agent in found}
    assert (roles["prefill-0"], roles["decode-0"]) == ("prefill", "decode")
    described = await client.describe("decode-0")
    assert described["arena"]["pageBytes"] == PAGE_BYTES
    status = await client.status("decode-0", lists=["requests"])
    pages = status["pages"]
    assert pages["free"] + pages["writing"] + pages["ready"] + pages["quarantined"] == pages["total"]


async def test_wrong_fields_are_named(client: Client) -> None:
    assert await refusal(client, "prefill-0", "put") == ("invalid_field", "request")
    wrong = put(new_request(), fresh("a"), "none", batch=-1)
    assert await refusal(client, "prefill-0", "put", **wrong) == ("invalid_field", "batch")
    wrong = put(new_request(), fresh("a"), "none", receiver="no name")
    assert await refusal(client, "prefill-0", "put", **wrong) == ("invalid_field", "receiver")
    code, _ = await refusal(client, "prefill-0", "put", **put(new_request(), fresh("a"), "none", more=1))
    assert code == "invalid_field"
    code, _ = await refusal(client, "prefill-0", "put", **put(new_request(), ["a\n"], "none"))
    assert code == "invalid_field"


async def test_agents_that_cannot_do_it_say_why(client: Client) -> None:
    assert (await refusal(client, "decode-0", "put", **put(new_request(), fresh("a"), "none")))[0] == "role_mismatch"
    assert (await refusal(client, "nobody", "describe"))[0] == "no_responders"
    assert await refusal(client, "*", "describe") == ("invalid_field", "agent")
    assert (await refusal(client, "prefill-0", "nonsense"))[0] == "unknown_operation"
    assert (await refusal(client, "prefill-0", "put", **put(new_request(), fresh("a"), "none")))[0] == (
        "segment_not_found"
    )
    assert (await refusal(client, "prefill-0", "detach", segment="none"))[0] == "segment_not_found"
    assert (await refusal(client, "prefill-0", "cancel", request=new_request()))[0] == "unknown_request"


async def test_batches_out_of_order_and_repeated_batches_are_refused(client: Client, pool: SourcePool) -> None:
    await client.attach("prefill-0", segment=pool.segment, path=pool.path)
    request = new_request()
    first = put(request, fresh("a"), pool.segment, last=False, totalChunks=2)
    later = put(request, fresh("b"), pool.segment, batch=1, totalChunks=2)
    assert (await refusal(client, "prefill-0", "put", **later))[0] == "batch_out_of_order"
    epoch = (await client.call("prefill-0", "put", first))["epoch"]
    with pytest.raises(KvferryError) as repeated:
        await client.call("prefill-0", "put", first)
    assert (repeated.value.code, repeated.value.details.epoch) == ("duplicate_batch", epoch)
    assert (await refusal(client, "decode-0", "acquire", request=request, epoch=epoch))[0] == "request_active"
    await client.cancel("prefill-0", request=request)


async def test_orders_of_a_session_are_executed_once_and_in_order(client: Client, pool: SourcePool) -> None:
    session = await opened(client)
    place = {"segment": pool.segment, "path": pool.path, "session": session}
    assert (await client.call("prefill-0", "attach", {**place, "order": 0}))["bytes"] == 8 * PAGE_BYTES
    assert (await client.call("prefill-0", "attach", {**place, "order": 0}))["bytes"] == 8 * PAGE_BYTES
    with pytest.raises(KvferryError) as early:
        await client.call("prefill-0", "attach", {**place, "order": 2})
    assert (early.value.code, early.value.details.order) == ("order_out_of_turn", 1)
    detach = {"segment": pool.segment, "session": session, "order": 0}
    assert (await refusal(client, "prefill-0", "detach", **detach))[0] == "order_reused"
    reply = await client.barrier("prefill-0", session=session, order=3)
    assert reply["barred"] == [1, 2]
    assert (await refusal(client, "prefill-0", "attach", **{**place, "order": 1}))[0] == "order_barred"
    other = await opened(client)
    wrong = {**place, "session": other, "order": 0}
    with pytest.raises(KvferryError) as held:
        await client.call("prefill-0", "attach", wrong)
    assert (held.value.code, held.value.details.session) == ("wrong_session", session)
    assert (await client.end("prefill-0", session=session))["chunksInUse"] == 0
    assert (await refusal(client, "prefill-0", "renew", session=session))[0] == "session_ended"
    assert (await refusal(client, "prefill-0", "renew", session="0" * 16))[0] == "unknown_session"
    await client.end("prefill-0", session=other)


async def test_a_message_that_is_too_large_is_not_sent(client: Client) -> None:
    fields = put(new_request(), [f"{number}-{'x' * 490}" for number in range(3000)], "none")
    assert (await refusal(client, "prefill-0", "put", **fields))[0] == "message_too_large"


async def test_a_closed_client_refuses(world: World) -> None:
    client = await world.client()
    await client.close()
    assert (await refusal(client, "prefill-0", "describe"))[0] == "closed"


async def test_all_agents_are_asked_for_a_prefix_with_one_message(client: Client) -> None:
    found = await client.lookup_all(fresh("a", "b"), timeout=0.5)
    held = {agent["agent"]: (agent["role"], agent["held"], "pages" in agent) for agent in found}
    assert held["prefill-0"] == ("prefill", 0, False)
    assert held["decode-0"] == ("decode", 0, True)
    # It does not wait for more answers than that.
    assert await asyncio.wait_for(client.lookup_all([], agents=1, timeout=60), 30)
