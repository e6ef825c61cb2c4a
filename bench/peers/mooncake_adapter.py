"""Mooncake's transfer engine over TCP, found by its own handshake, host memory."""

from mooncake.engine import TransferEngine


class Batch:
    def __init__(self, sources, targets, lengths):
        self.sources, self.targets, self.lengths = sources, targets, lengths
        self.number = 0


class Adapter:
    def __init__(self, _role, memory, _chunk_bytes):
        self.memory = memory
        self.engine = TransferEngine()
        require(self.engine.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") == 0, "the engine does not start")
        require(self.engine.register_memory(memory.address, memory.size) == 0, "the memory is not registered")

    def address(self):
        return {"segment": f"127.0.0.1:{self.engine.get_rpc_port()}", "memory": self.memory.address}

    def connect(self, address):
        self.segment, self.target = address["segment"], address["memory"]

    def prepare(self, first, batch, chunk_bytes):
        offsets = [chunk * chunk_bytes for chunk in range(first, first + batch)]
        sources = [self.memory.address + offset for offset in offsets]
        return Batch(sources, [self.target + offset for offset in offsets], [chunk_bytes] * batch)

    def begin(self, batch):
        batch.number = self.engine.batch_transfer_async_write(
            self.segment, batch.sources, batch.targets, batch.lengths
        )
        require(batch.number != 0, "the batch was not accepted")

    def is_complete(self, batch):
        """Waits: the engine has no other way to ask. The others of the batches under way go on meanwhile."""
        require(self.engine.get_batch_transfer_status([batch.number]) == 0, "the batch failed")
        return True

    def give_back(self, _batch):
        pass


def require(good, what):
    if not good:
        raise RuntimeError(what)
