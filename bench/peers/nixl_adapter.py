"""NIXL with its UCX backend, host memory. UCX takes its transports from the environment.

As in nixlbench, a transfer's request is made before the clock starts, and complete is what the initiator reports.
"""

import base64

from nixl_cu12._api import nixl_agent, nixl_agent_config


class Adapter:
    def __init__(self, role, memory, _chunk_bytes):
        self.memory = memory
        # The sender asks for its transfers' state all the time, which is progress; the receiver never asks.
        config = nixl_agent_config(enable_prog_thread=role == "receiver", backends=["UCX"])
        self.agent = nixl_agent(f"bench-{role}", config)
        self.agent.register_memory([(memory.address, memory.size, 0, "")], "DRAM")

    def address(self):
        metadata = base64.b64encode(self.agent.get_agent_metadata()).decode()
        return {"metadata": metadata, "memory": self.memory.address}

    def connect(self, address):
        self.remote = self.agent.add_remote_agent(base64.b64decode(address["metadata"]))
        self.target = address["memory"]
        self.agent.make_connection(self.remote)

    def prepare(self, first, batch, chunk_bytes):
        def chunks_at(start):
            places = [(start + chunk * chunk_bytes, chunk_bytes, 0) for chunk in range(first, first + batch)]
            return self.agent.get_xfer_descs(places, "DRAM")

        source, target = chunks_at(self.memory.address), chunks_at(self.target)
        return self.agent.initialize_xfer("WRITE", source, target, self.remote)

    def begin(self, request):
        if self.agent.transfer(request) == "ERR":
            raise RuntimeError("the transfer could not be started")

    def is_complete(self, request):
        state = self.agent.check_xfer_state(request)
        if state == "ERR":
            raise RuntimeError("the transfer failed")
        return state == "DONE"

    def give_back(self, request):
        self.agent.release_xfer_handle(request)
