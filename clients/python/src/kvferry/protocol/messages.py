"""Types of the messages. Made from the schemas of the agents by `npm run docs`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired

    from .constants import End, ErrorCode


class Failure(TypedDict):
    code: ErrorCode
    message: str
    field: NotRequired[str]


class Arena(TypedDict):
    path: NotRequired[str]
    cuda: NotRequired[DeviceMemory]
    epoch: str
    pageBytes: int
    pages: int


class DeviceMemory(TypedDict):
    handle: str
    device: str
    offset: NotRequired[int]
    bytes: int


class Endpoint(TypedDict):
    provider: Literal["same-host", "tcp", "libfabric-tcp", "net", "verbs", "efa", "memory"]
    detail: str
    address: str


class PageCounts(TypedDict):
    total: int
    free: int
    writing: int
    ready: int
    quarantined: int
    reserved: int
    retained: int


class SourceRun(TypedDict):
    segment: str
    offset: int
    length: int
    count: NotRequired[int]
    stride: NotRequired[int]
    pieces: NotRequired[Pieces]


class Pieces(TypedDict):
    count: int
    stride: int


class RanksMembers(TypedDict):
    sender: str
    receiver: str


class Ranks(TypedDict):
    rank: int
    members: list[RanksMembers]


class ErrorReplyError(TypedDict):
    code: ErrorCode
    message: str
    field: NotRequired[str]
    end: NotRequired[End]
    epoch: NotRequired[str]
    receiver: NotRequired[str]
    order: NotRequired[int]
    session: NotRequired[str]


class ErrorReply(TypedDict):
    v: Literal[1]
    ok: Literal[False]
    error: ErrorReplyError


class PutRequest(TypedDict):
    request: str
    receiver: NotRequired[str]
    batch: int
    last: bool
    totalChunks: int
    timeoutMs: int
    keys: list[str]
    source: list[SourceRun]
    ranks: NotRequired[Ranks]
    session: NotRequired[str]
    order: NotRequired[int]


class PutReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str


class RouteRequest(TypedDict):
    request: str
    epoch: NotRequired[str]
    receiver: str
    timeoutMs: NotRequired[int]
    ranks: NotRequired[Ranks]
    skip: NotRequired[int]


class RouteReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str


class CancelRequest(TypedDict):
    request: str
    epoch: NotRequired[str]
    session: NotRequired[str]
    order: NotRequired[int]


class CancelReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    end: NotRequired[End]


AcquireRequest = TypedDict(
    "AcquireRequest",
    {
        "request": "str",
        "epoch": "str",
        "keys": "NotRequired[list[str]]",
        "from": "NotRequired[int]",
    },
)


class AcquireReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    arena: Arena
    leaseMs: int
    keys: list[str]
    pages: list[int]
    generations: list[int]
    lengths: list[int]
    missing: list[str]
    next: NotRequired[int]


class ReleaseRequest(TypedDict):
    request: str
    epoch: str
    keys: NotRequired[list[str]]


class ReleaseReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    existed: int
    freedPages: int


class LookupRequest(TypedDict):
    keys: list[str]


class LookupReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    agent: str
    epoch: str
    role: Literal["prefill", "decode", "both"]
    state: Literal["starting", "running", "draining", "fencing", "stopped"]
    held: int
    expected: int
    pages: NotRequired[PageCounts]
    queued: int
    requests: int


class AttachRequest(TypedDict):
    segment: str
    path: NotRequired[str]
    cuda: NotRequired[DeviceMemory]
    session: NotRequired[str]
    order: NotRequired[int]


class AttachReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    bytes: int


class DetachRequest(TypedDict):
    segment: str
    session: NotRequired[str]
    order: NotRequired[int]


class DetachReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]


class StageRequest(TypedDict):
    holder: str
    pages: int
    session: NotRequired[str]
    order: NotRequired[int]


class StageReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    segment: str
    path: str
    pageBytes: int
    offsets: list[int]


class UnstageRequest(TypedDict):
    holder: str
    offsets: NotRequired[list[int]]
    session: NotRequired[str]
    order: NotRequired[int]


class UnstageReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    returned: int


class OpenRequest(TypedDict):
    session: str
    holder: str
    silentMs: int


class OpenReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str
    silentMs: int
    order: int


class RenewRequest(TypedDict):
    session: str


class RenewReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str
    order: int


class BarrierRequest(TypedDict):
    session: str
    order: int


class BarrierReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str
    barred: list[int]


class EndRequest(TypedDict):
    session: str


class EndReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str
    chunksInUse: int


class SourcesRequestAfter(TypedDict):
    request: str
    batch: int


class SourcesRequest(TypedDict):
    request: NotRequired[str]
    session: NotRequired[str]
    after: NotRequired[SourcesRequestAfter]


class SourcesReplyBatches(TypedDict):
    request: str
    batch: int
    positions: list[int]


class SourcesReplyNext(TypedDict):
    request: str
    batch: int


class SourcesReply(TypedDict):
    v: Literal[1]
    ok: Literal[True]
    epoch: str
    alone: bool
    batches: list[SourcesReplyBatches]
    next: NotRequired[SourcesReplyNext]


class TerminalRanks(TypedDict):
    rank: int
    sender: str
    epoch: str
    receiver: str


class Terminal(TypedDict):
    v: Literal[1]
    request: str
    epoch: str
    end: End
    reason: NotRequired[Failure]
    sender: str
    receiver: NotRequired[str]
    receiverEpoch: NotRequired[str]
    chunks: int
    deduplicated: int
    joined: int
    bytes: int
    ranks: NotRequired[list[TerminalRanks]]
    ageMs: int


class SourceReleased(TypedDict):
    v: Literal[1]
    request: str
    epoch: str
    batch: int
    positions: list[int]


class Heartbeat(TypedDict):
    v: Literal[1]
    agent: str
    epoch: str
    role: Literal["prefill", "decode", "both"]
    heartbeatMs: int
    number: int
    ageMs: int
    draining: bool
    alone: bool
    leaving: bool
