"""A method for each operation of an agent. Made from the schemas of the agents by `npm run docs`. Do not edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from .messages import (
        AcquireReply,
        AcquireRequest,
        AttachReply,
        AttachRequest,
        BarrierReply,
        BarrierRequest,
        CancelReply,
        CancelRequest,
        DetachReply,
        DetachRequest,
        EndReply,
        EndRequest,
        LookupReply,
        LookupRequest,
        OpenReply,
        OpenRequest,
        PutReply,
        PutRequest,
        ReleaseReply,
        ReleaseRequest,
        RenewReply,
        RenewRequest,
        RouteReply,
        RouteRequest,
        SourcesReply,
        SourcesRequest,
        StageReply,
        StageRequest,
        UnstageReply,
        UnstageRequest,
    )
    from .observations import (
        DescribeReply,
        DescribeRequest,
        ExplainReply,
        ExplainRequest,
        InspectReply,
        InspectRequest,
        JournalReply,
        JournalRequest,
        StatusReply,
        StatusRequest,
    )


class Operations(ABC):
    """Sends one message and returns the answer. Raises `KvferryError` with the code that the agent answered."""

    @abstractmethod
    async def call(
        self,
        agent: str,
        operation: str,
        fields: Mapping[str, object],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, object]:
        """Any operation, by its name."""

    async def put(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[PutRequest],
    ) -> PutReply:
        """Moves a batch of chunks to a decode agent. The answer confirms that the batch is accepted. The
        end is an event."""
        reply = await self.call(agent, "put", fields, timeout=timeout, headers=headers)
        return cast("PutReply", reply)

    async def route(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[RouteRequest],
    ) -> RouteReply:
        """Names the receiver of a request that was put without one. Its chunks are sent then, once, to the
        first receiver."""
        reply = await self.call(agent, "route", fields, timeout=timeout, headers=headers)
        return cast("RouteReply", reply)

    async def cancel(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[CancelRequest],
    ) -> CancelReply:
        """Ends a request, at either of its two agents. A second cancel changes nothing."""
        reply = await self.call(agent, "cancel", fields, timeout=timeout, headers=headers)
        return cast("CancelReply", reply)

    async def acquire(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[AcquireRequest],
    ) -> AcquireReply:
        """Looks keys up and leases their pages, in one step. A second acquire renews the leases."""
        reply = await self.call(agent, "acquire", fields, timeout=timeout, headers=headers)
        return cast("AcquireReply", reply)

    async def release(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[ReleaseRequest],
    ) -> ReleaseReply:
        """Ends leases. A page is free when its last lease has ended."""
        reply = await self.call(agent, "release", fields, timeout=timeout, headers=headers)
        return cast("ReleaseReply", reply)

    async def lookup(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[LookupRequest],
    ) -> LookupReply:
        """Returns how long a prefix of a prompt the agent has in its arena, and how much it has to do.
        Leases nothing."""
        reply = await self.call(agent, "lookup", fields, timeout=timeout, headers=headers)
        return cast("LookupReply", reply)

    async def status(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[StatusRequest],
    ) -> StatusReply:
        """Returns the current requests, peers, segments, pages and counters of the agent."""
        reply = await self.call(agent, "status", fields, timeout=timeout, headers=headers)
        return cast("StatusReply", reply)

    async def describe(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[DescribeRequest],
    ) -> DescribeReply:
        """Returns the role, epoch and arena of the agent, and how other agents can reach it."""
        reply = await self.call(agent, "describe", fields, timeout=timeout, headers=headers)
        return cast("DescribeReply", reply)

    async def attach(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[AttachRequest],
    ) -> AttachReply:
        """Registers a file of the engine as source memory."""
        reply = await self.call(agent, "attach", fields, timeout=timeout, headers=headers)
        return cast("AttachReply", reply)

    async def detach(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[DetachRequest],
    ) -> DetachReply:
        """Removes a source segment."""
        reply = await self.call(agent, "detach", fields, timeout=timeout, headers=headers)
        return cast("DetachReply", reply)

    async def stage(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[StageRequest],
    ) -> StageReply:
        """Lends pages of the agent's own source memory to an engine."""
        reply = await self.call(agent, "stage", fields, timeout=timeout, headers=headers)
        return cast("StageReply", reply)

    async def unstage(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[UnstageRequest],
    ) -> UnstageReply:
        """Gives lent pages back that were not named in a put."""
        reply = await self.call(agent, "unstage", fields, timeout=timeout, headers=headers)
        return cast("UnstageReply", reply)

    async def open(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[OpenRequest],
    ) -> OpenReply:
        """Opens a session of an engine: its orders are executed in the order of their numbers, each at most
        once."""
        reply = await self.call(agent, "open", fields, timeout=timeout, headers=headers)
        return cast("OpenReply", reply)

    async def renew(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[RenewRequest],
    ) -> RenewReply:
        """Shows that the engine of a session lives. Orders and barriers of the session do too."""
        reply = await self.call(agent, "renew", fields, timeout=timeout, headers=headers)
        return cast("RenewReply", reply)

    async def barrier(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[BarrierRequest],
    ) -> BarrierReply:
        """Answers when no order with a smaller number is executed any more, now or later."""
        reply = await self.call(agent, "barrier", fields, timeout=timeout, headers=headers)
        return cast("BarrierReply", reply)

    async def end(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[EndRequest],
    ) -> EndReply:
        """Ends a session: cancels its requests and gives its segments and staging pages back."""
        reply = await self.call(agent, "end", fields, timeout=timeout, headers=headers)
        return cast("EndReply", reply)

    async def sources(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[SourcesRequest],
    ) -> SourcesReply:
        """Returns the chunks of source memory that the agent may still read. It reads nothing else."""
        reply = await self.call(agent, "sources", fields, timeout=timeout, headers=headers)
        return cast("SourcesReply", reply)

    async def inspect(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[InspectRequest],
    ) -> InspectReply:
        """Returns the live actors of the agent, with state, deadline and what they wait for, and the states
        of its pages."""
        reply = await self.call(agent, "inspect", fields, timeout=timeout, headers=headers)
        return cast("InspectReply", reply)

    async def journal(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[JournalRequest],
    ) -> JournalReply:
        """Returns past state changes, messages and steps of the store, as far as the agent keeps them."""
        reply = await self.call(agent, "journal", fields, timeout=timeout, headers=headers)
        return cast("JournalReply", reply)

    async def explain(
        self,
        agent: str,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Unpack[ExplainRequest],
    ) -> ExplainReply:
        """Explains a request, transfer, key or page: its state, what it waits for, what holds it, and its
        history."""
        reply = await self.call(agent, "explain", fields, timeout=timeout, headers=headers)
        return cast("ExplainReply", reply)
