"""One request, from the prefill engine to the decode engine. Needs nats-py, and the agents of README.md, "Running agents"."""

import asyncio
import json
import mmap
import os

import nats

CHUNK = 3 * 2**20  # bytes of KV cache under one key; a page of the agents' arena holds as many
NATS_URL = os.environ.get("KVFERRY_NATS_URL", "nats://127.0.0.1:4222")
REQUEST = f"prompt-{os.getpid()}"  # an id is used once
SEGMENT = f"/dev/shm/{REQUEST}"


async def main():
    nc = await nats.connect(NATS_URL)

    async def ask(agent, operation, **fields):
        body = json.dumps({"v": 2, **fields}).encode()
        answer = await nc.request(f"kvferry.v2.agent.{agent}.default.{operation}", body, timeout=10)
        reply = json.loads(answer.data)
        if not reply["ok"]:
            raise RuntimeError(f"{operation} at {agent}: {reply['error']['message']} [{reply['error']['code']}]")
        return reply

    # Events are not stored: subscribe before the request begins.
    ends = await nc.subscribe("kvferry.v2.event.*.default.*")
    await nc.flush()
    with open(SEGMENT, "wb") as memory:
        memory.write(b"\x01" * CHUNK + b"\x02" * CHUNK)

    # Prefill engine: two chunks of KV cache lie in shared memory. Send them to decode-0.
    await ask("prefill-0", "attach", segment="engine-0", path=SEGMENT)
    await ask("prefill-0", "put", request=REQUEST, receiver="decode-0", batch=0, last=True, totalChunks=2,
              timeoutMs=30_000, keys=["llama@chunk-0", "llama@chunk-1"],
              source=[{"segment": "engine-0", "offset": 0, "length": CHUNK, "count": 2}])

    # Router or decode engine: the one terminal event of the request.
    end = json.loads((await ends.next_msg(timeout=30)).data)
    print(f"{end['request']} is {end['end']}: {end['bytes']} bytes in {end['ageMs']} ms")

    # Decode engine: lease the pages, read them where they are, give them back.
    got = await ask("decode-0", "acquire", request=REQUEST, epoch=end["epoch"])
    with open(got["arena"]["path"], "rb") as file:
        arena = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    for key, page in zip(got["keys"], got["pages"]):
        print(f"{key} is in page {page}, its first byte is {arena[page * CHUNK]}")
    freed = await ask("decode-0", "release", request=REQUEST, epoch=end["epoch"])
    print(f"{freed['freedPages']} pages are free again")

    await ask("prefill-0", "detach", segment="engine-0")
    os.unlink(SEGMENT)
    await nc.close()


asyncio.run(main())
