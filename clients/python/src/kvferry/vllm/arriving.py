"""A prompt on its way to this decode agent: names this agent as its receiver, and waits for the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ..ends import RequestEnd, ask_end
from ..errors import KvferryError
from ..orders import is_away
from ..waiting import in_background, now, pause
from .arrived import release_arrived
from .saving import ranks_of

if TYPE_CHECKING:
    from ..protocol.constants import End
    from ..protocol.messages import RouteRequest
    from .config import ConnectorConfig
    from .dialect import Remote
    from .link import Link

T = TypeVar("T")

log = logging.getLogger("vllm.kvferry")

_EARLY_SECONDS = 2.0
"""How long a message is repeated that came before the put that it names."""
_UNANSWERED_SECONDS = 3.0
"""How long a message is repeated that was not answered: the next attempt begins before that."""
_ABSENT_SECONDS = 0.5
"""The same, while no process has the name of the agent: the next one does not know the prompt."""
_REPEAT_PAUSES = (0.001, 0.02)
"""The first pause, which doubles each time, and the longest one."""
_ASK_SECONDS = 1.0
"""Between two questions for the end: its event may be lost."""
_UNKNOWN_MAX = 3
"""Questions that no agent knows an answer to, before the prompt counts as lost."""
_CALL_SECONDS = 2.0
_DROP_SECONDS = 10.0
_PASSES = frozenset({"unknown_request", "unknown_receiver", "agent_paused"})


class Arriving:
    """Owned by the event loop."""

    def __init__(self, link: Link, config: ConnectorConfig, rank: int) -> None:
        self._link = link
        self._config = config
        self._rank = rank
        self._users: dict[str, int] = {}
        """Loads of each request. Several prompts can have the same parameters."""

    def enter(self, remote: Remote) -> None:
        """A load of the request begins. `leave` it."""
        self._users[remote.request] = self._users.get(remote.request, 0) + 1

    def leave(self, remote: Remote, epoch: str | None) -> None:
        """The last load gives the chunks back: those that have arrived under that epoch, or those on their way."""
        self._users[remote.request] -= 1
        if self._users[remote.request] > 0:
            return
        del self._users[remote.request]
        in_background(self.drop(remote) if epoch is None else self.release(remote.request, epoch))

    async def ready(self, remote: Remote, skip: int, trace: Mapping[str, str] | None = None) -> str:
        """Returns the epoch under which this rank acquires its chunks. `skip`: so many at the beginning of the prompt
        are not needed. They do not travel, unless it was routed early. Raises when the prompt ended otherwise."""
        expected = self._link.ends.expect(remote.request)
        try:
            # The event of a prompt that was routed early may have come before this server knew of it.
            epoch, unknown, wait = None, 0, 0.0
            if not remote.is_routed:
                try:
                    epoch = await self._routed(remote, skip, trace)
                    wait = _ASK_SECONDS
                except KvferryError as error:
                    # Another prompt with the same parameters was faster.
                    if error.details.end != "ready":
                        raise
            while True:
                await asyncio.wait({expected.end}, timeout=wait)
                if expected.end.done():
                    return self._own_epoch(expected.end.result().check_ready())
                asked = await self._asked(remote, epoch)
                if isinstance(asked, RequestEnd):
                    return self._own_epoch(asked.check_ready())
                unknown = 0 if asked else unknown + 1
                if unknown >= _UNKNOWN_MAX:
                    agents = f"neither agent {remote.agents[self._rank]} nor {self._link.agent}"
                    raise KvferryError("unknown_request", f"{agents} knows request {remote.request}")
                wait = _ASK_SECONDS
        finally:
            self._link.ends.forget(expected)

    async def drop(self, remote: Remote) -> None:
        """The prompt is not needed. Its source memory and its pages are given back."""
        is_foreign = remote.tenant != self._config.connection.tenant or len(remote.agents) != len(self._config.agents)
        if is_foreign or remote.request in self._users:
            return
        try:
            expected = self._link.ends.expect(remote.request)
        except KvferryError as error:
            log.info("prompt %s was not cancelled, and ends by time: %s", remote.request, error)
            return
        try:
            ended, is_known = await self._cancelled(remote)
            if ended == "ready" or not is_known:
                await release_arrived(self._link.decode, self._link.client, remote.request)
            if ended is None:
                end = await expected.wait(_DROP_SECONDS if is_known else self._config.offer_timeout)
                if end.end == "ready":
                    await self.release(remote.request, self._own_epoch(end))
        except KvferryError as error:
            # What is left of it ends with the time of the offer, or of the leases.
            log.debug("prompt %s was not cancelled: %s", remote.request, error)
        finally:
            self._link.ends.forget(expected)

    async def _cancelled(self, remote: Remote) -> tuple[End | None, bool]:
        """The end that the prompt had, and whether its agent knows it. Otherwise it has arrived earlier, its put is
        still on its way, or it is lost."""
        agent, client = remote.agents[self._rank], self._link.client
        try:
            reply = await _repeated(lambda: client.cancel(agent, request=remote.request, timeout=_CALL_SECONDS))
        except KvferryError as error:
            if error.code != "unknown_request" and not is_away(error):
                raise
            return None, False
        return reply.get("end"), True

    async def release(self, request: str, epoch: str) -> None:
        try:
            await self._link.decode.release(request, epoch)
        except KvferryError as error:
            level = logging.DEBUG if is_away(error) else logging.WARNING
            log.log(level, "the leases of %s at agent %s end by time: %s", request, self._link.agent, error)

    async def _routed(self, remote: Remote, skip: int, trace: Mapping[str, str] | None) -> str:
        """Returns the epoch of the prefill agent of this rank."""
        receivers = self._config.agents
        fields: RouteRequest = {
            "request": remote.request,
            "receiver": receivers[self._rank],
            "timeoutMs": int(self._config.load_timeout * 1000),
        }
        if skip > 0:
            fields["skip"] = skip
        if len(receivers) > 1:
            fields["ranks"] = ranks_of(self._rank, remote.agents, receivers)
        agent, client = remote.agents[self._rank], self._link.client
        reply = await _repeated(lambda: client.route(agent, timeout=_CALL_SECONDS, headers=trace, **fields))
        return reply["epoch"]

    async def _asked(self, remote: Remote, epoch: str | None) -> RequestEnd | bool:
        """The recorded end; or whether an agent knows the request."""
        client, agents = self._link.client, (self._link.agent, remote.agents[self._rank])
        try:
            # Of a request over several ranks, agents can record other ends than the event had. What this rank needs is
            # in its own row: a part that is not there fails the load, whatever the event says.
            if epoch is not None and len(self._config.agents) == 1:
                end = await ask_end(
                    client, remote.request, epoch, sender=agents[1], receiver=agents[0], timeout=_CALL_SECONDS
                )
                return True if end is None else end
            is_known = False
            for agent in agents:
                status = await client.status(agent, request=remote.request, lists=["requests"], timeout=_CALL_SECONDS)
                for row in status["requests"]:
                    is_known = True
                    if "end" in row:
                        return RequestEnd(remote.request, row["epoch"], row["end"], row.get("reason"))
            return is_known
        except KvferryError as error:
            if not is_away(error):
                raise
            # An agent without a process does not know it. Any other silence passes.
            return error.code != "no_responders"

    def _own_epoch(self, end: RequestEnd) -> str:
        ranks = [] if end.event is None else end.event.get("ranks", [])
        return next((one["epoch"] for one in ranks if one["rank"] == self._rank), end.epoch)


async def _repeated(message: Callable[[], Awaitable[T]]) -> T:
    """The answer. A put may come after it was named here, because the prefill server does not wait for its agent."""
    began, (wait, longest) = now(), _REPEAT_PAUSES
    while True:
        try:
            return await message()
        except KvferryError as error:
            if now() - began >= _patience(error):
                raise
        await pause(wait)
        wait = min(2 * wait, longest)


def _patience(error: KvferryError) -> float:
    """How long after its first attempt a message is repeated that failed so. Seconds."""
    if error.code == "no_responders":
        return _ABSENT_SECONDS
    if is_away(error):
        return _UNANSWERED_SECONDS
    return _EARLY_SECONDS if error.code in _PASSES else 0
