"""Agents for the tests of integrations: no NATS server and no real agent is needed."""

from .agent import FakeAgent
from .bus import MemoryBus
from .cluster import FakeCluster

__all__ = ["FakeAgent", "FakeCluster", "MemoryBus"]
