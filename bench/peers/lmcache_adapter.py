"""LMCache's own channel (over NIXL, as it ships it), host memory. Its pages have one size, that of the chunks.

Its write waits for completion, and sleeps a millisecond between two looks; batches under way at once are tasks of its event
loop.
"""

import asyncio
import socket
import threading

import torch
from lmcache.v1.memory_management import MemoryFormat, MemoryObjMetadata, TensorMemoryObj
from lmcache.v1.transfer_channel import CreateTransferChannel

class Batch:
    def __init__(self, objects, pages):
        self.objects, self.pages = objects, pages
        self.task = None


class Adapter:
    def __init__(self, role, memory, chunk_bytes):
        self.tensor = torch.from_numpy(memory.bytes)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.url = f"127.0.0.1:{free_port()}"
        self.channel = CreateTransferChannel(
            channel_type="nixl",
            async_mode=True,
            role=role,
            buffer_ptr=memory.address,
            buffer_size=memory.size,
            align_bytes=chunk_bytes,
            tp_rank=0,
            peer_init_url=self.url,
            device="cpu",
            backends=["UCX"],
            event_loop=self.loop,
        )

    def address(self):
        return {"url": self.url}

    def connect(self, address):
        connecting = self.channel.async_lazy_init_peer_connection(
            local_id="sender", peer_id="receiver", peer_init_url=address["url"]
        )
        asyncio.run_coroutine_threadsafe(connecting, self.loop).result(timeout=30)

    def prepare(self, first, batch, chunk_bytes):
        pages = list(range(first, first + batch))
        objects = [self.object_of(page, chunk_bytes) for page in pages]
        return Batch(objects, pages)

    def begin(self, batch):
        spec = {"receiver_id": "receiver", "remote_indexes": batch.pages}
        writing = self.channel.async_batched_write(batch.objects, spec)
        batch.task = asyncio.run_coroutine_threadsafe(writing, self.loop)

    def is_complete(self, batch):
        """Waits; the others of the batches under way go on meanwhile."""
        return batch.task.result(timeout=60) == len(batch.objects)

    def give_back(self, _batch):
        pass

    def object_of(self, page, chunk_bytes):
        metadata = MemoryObjMetadata(
            shape=torch.Size([chunk_bytes]),
            dtype=torch.uint8,
            address=page,
            phy_size=chunk_bytes,
            ref_count=1,
            fmt=MemoryFormat.BINARY,
        )
        bytes_of_page = self.tensor[page * chunk_bytes : (page + 1) * chunk_bytes]
        return TensorMemoryObj(raw_data=bytes_of_page, metadata=metadata, parent_allocator=None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
