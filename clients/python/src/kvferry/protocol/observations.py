"""Types of messages about the state of an agent. Made from the schemas of the agents by `npm run docs`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired

    from .constants import End
    from .messages import Arena, Endpoint, Failure, PageCounts


class StatusRequest(TypedDict):
    request: NotRequired[str]
    segment: NotRequired[str]
    lists: NotRequired[list[Literal["segments", "sessions", "peers", "requests"]]]
    limit: NotRequired[int]


class StatusReplyStaging(TypedDict):
    total: int
    free: int
    lent: int
    inUse: int


class StatusReplySegments(TypedDict):
    segment: str
    path: NotRequired[str]
    device: NotRequired[str]
    bytes: int
    chunksInUse: int
    session: NotRequired[str]
    removedMs: NotRequired[int]


class StatusReplySessions(TypedDict):
    session: str
    holder: str
    state: Literal["open", "ended"]
    silentMs: int
    silentForMs: int
    order: int
    waiting: int
    requests: int
    segments: int
    stagingPages: int
    chunksInUse: int


class StatusReplyPeers(TypedDict):
    agent: str
    epoch: str
    side: Literal["sender", "receiver"]
    state: str
    provider: NotRequired[Literal["same-host", "tcp", "libfabric-tcp", "net", "verbs", "efa", "memory"]]
    detail: NotRequired[str]
    fallback: list[str]


class StatusReplyRequests(TypedDict):
    request: str
    epoch: str
    side: Literal["sender", "receiver"]
    session: NotRequired[str]
    rank: NotRequired[int]
    missingRanks: NotRequired[list[int]]
    state: str
    ageMs: int
    batches: NotRequired[int]
    chunks: NotRequired[int]
    end: NotRequired[End]
    reason: NotRequired[Failure]


class StatusReply(TypedDict):
    v: Literal[2]
    ok: Literal[True]
    agent: str
    epoch: str
    role: Literal["prefill", "decode", "both"]
    state: str
    uptimeMs: int
    pages: NotRequired[PageCounts]
    quarantineAgeMs: NotRequired[int]
    queued: int
    staging: NotRequired[StatusReplyStaging]
    segments: list[StatusReplySegments]
    segmentsTotal: int
    sessions: list[StatusReplySessions]
    sessionsTotal: int
    peers: list[StatusReplyPeers]
    peersTotal: int
    requests: list[StatusReplyRequests]
    requestsTotal: int
    counters: dict[str, int]


class DescribeRequest(TypedDict):
    pass


class DescribeReplyUnavailable(TypedDict):
    provider: Literal["same-host", "tcp", "libfabric-tcp", "net", "verbs", "efa", "memory"]
    reason: str


class DescribeReplyStaging(TypedDict):
    segment: str
    path: str
    pageBytes: int
    pages: int


class DescribeReply(TypedDict):
    v: Literal[2]
    ok: Literal[True]
    agent: str
    epoch: str
    role: Literal["prefill", "decode", "both"]
    state: Literal["starting", "running", "draining", "fencing", "stopped"]
    version: str
    heartbeatMs: int
    faultsAllowed: NotRequired[Literal[True]]
    endpoints: list[Endpoint]
    unavailable: list[DescribeReplyUnavailable]
    arena: NotRequired[Arena]
    staging: NotRequired[DescribeReplyStaging]


class InspectRequest(TypedDict):
    actors: NotRequired[int]
    request: NotRequired[str]
    actor: NotRequired[str]
    pages: NotRequired[bool]


class InspectReplyActorsWaiting(TypedDict):
    gate: Literal["receiver", "admission", "writer", "fabric", "engine", "router", "sender", "ranks", "peer", "clock"]
    text: str
    endsInMs: NotRequired[float]


class InspectReplyActors(TypedDict):
    machine: Literal["agent", "line", "peer", "connection", "request", "transfer", "ingest", "group", "rank"]
    actor: str
    request: NotRequired[str]
    epoch: NotRequired[str]
    batch: NotRequired[int]
    peer: NotRequired[str]
    rank: NotRequired[int]
    rankCount: NotRequired[int]
    state: str
    paths: list[str]
    ageMs: float
    inStateMs: float
    waiting: NotRequired[InspectReplyActorsWaiting]
    context: dict[str, dict[str, object]]


class InspectReply(TypedDict):
    v: Literal[2]
    ok: Literal[True]
    agent: str
    epoch: str
    role: Literal["prefill", "decode", "both"]
    state: Literal["starting", "running", "draining", "fencing", "stopped"]
    nowMs: float
    actors: list[InspectReplyActors]
    actorsTotal: int
    pages: NotRequired[str]


JournalRequest = TypedDict(
    "JournalRequest",
    {
        "from": "NotRequired[int]",
        "limit": "NotRequired[int]",
        "request": "NotRequired[str]",
        "oneIn": "NotRequired[int]",
    },
)


class JournalReply(TypedDict):
    v: Literal[2]
    ok: Literal[True]
    agent: str
    epoch: str
    nowMs: float
    entries: list[dict[str, object]]
    next: int
    end: int
    missed: int


class ExplainRequest(TypedDict):
    request: NotRequired[str]
    transfer: NotRequired[str]
    key: NotRequired[str]
    page: NotRequired[int]


class ExplainReplyExplanationsWaiting(TypedDict):
    gate: Literal["receiver", "admission", "writer", "fabric", "engine", "router", "sender", "ranks", "peer", "clock"]
    text: str
    endsInMs: NotRequired[float]


class ExplainReplyExplanationsHolders(TypedDict):
    request: str
    epoch: str
    holds: str
    pages: int
    endsInMs: NotRequired[float]


class ExplainReplyExplanations(TypedDict):
    about: Literal["request", "transfer", "key", "page"]
    name: str
    side: Literal["sender", "receiver"]
    state: str
    inStateMs: NotRequired[float]
    summary: str
    waiting: NotRequired[ExplainReplyExplanationsWaiting]
    holders: list[ExplainReplyExplanationsHolders]
    holdersTotal: int
    trail: list[dict[str, object]]


class ExplainReply(TypedDict):
    v: Literal[2]
    ok: Literal[True]
    agent: str
    epoch: str
    nowMs: float
    explanations: list[ExplainReplyExplanations]
