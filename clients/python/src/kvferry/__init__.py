"""Client of kvferry, which moves LLM KV cache from prefill to decode servers. `kvferry.sync` is the same without
asyncio, and `kvferry.testing` has agents for tests."""

from .acquired import Acquired, Page
from .client import Client, connect
from .decode_engine import DecodeEngine
from .ends import RequestEnd, RequestEnds, ask_end
from .errors import ErrorDetails, KvferryError
from .prefill_engine import PrefillEngine
from .put_stream import PutStream
from .source_pool import SlotChunk, SourceChunk, SourcePool

__all__ = [
    "Acquired",
    "Client",
    "DecodeEngine",
    "ErrorDetails",
    "KvferryError",
    "Page",
    "PrefillEngine",
    "PutStream",
    "RequestEnd",
    "RequestEnds",
    "SlotChunk",
    "SourceChunk",
    "SourcePool",
    "ask_end",
    "connect",
]
