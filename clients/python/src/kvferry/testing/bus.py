"""NATS in memory, for one event loop: publish, subscribe and request. No server is needed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping

from ..errors import KvferryError
from ..protocol.constants import MESSAGE_BYTES_MAX
from ..transport import Handler, Message
from ..waiting import set_within


class MemoryBus:
    """A message is delivered in a later turn of the loop, in order. One that nobody has subscribed to is dropped."""

    def __init__(self) -> None:
        self._subscriptions: list[_MemorySubscription] = []
        self._transports: list[MemoryTransport] = []
        self._inboxes = itertools.count()

    def transport(self) -> MemoryTransport:
        transport = MemoryTransport(self)
        self._transports.append(transport)
        return transport

    def interrupt(self) -> None:
        """As an outage of NATS: questions fail, and events are lost, until `restore`."""
        for transport in self._transports:
            transport.set_connected(False)

    def restore(self) -> None:
        for transport in self._transports:
            transport.set_connected(True)

    def inbox(self) -> str:
        return f"_INBOX.{next(self._inboxes)}"

    def add(self, subscription: _MemorySubscription) -> None:
        self._subscriptions.append(subscription)

    def remove(self, subscription: _MemorySubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def forget(self, transport: MemoryTransport) -> None:
        self._subscriptions = [one for one in self._subscriptions if one.transport is not transport]
        self._transports = [one for one in self._transports if one is not transport]

    def send(self, message: Message) -> int:
        """The number of subscribers that will get it."""
        receivers = [one for one in self._subscriptions if one.fits(message.subject)]
        for receiver in receivers:
            asyncio.get_running_loop().call_soon(receiver.deliver, message)
        return len(receivers)


class MemoryTransport:
    message_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._is_connected = True
        self._is_closed = False
        self._listeners: list[Callable[[bool], None]] = []
        self._questions: set[asyncio.Future[bytes]] = set()

    @property
    def is_connected(self) -> bool:
        return self._is_connected and not self._is_closed

    async def request(
        self, subject: str, body: bytes, timeout: float, headers: Mapping[str, str] | None = None
    ) -> bytes:
        self._check(subject, body)
        question: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def answered(message: Message) -> None:
            if not question.done():
                question.set_result(message.body)

        self._questions.add(question)
        inbox = self._bus.inbox()
        subscription = await self.subscribe(inbox, answered)
        try:
            if self._bus.send(Message(subject, body, headers or {}, inbox)) == 0:
                raise KvferryError("no_responders", f"{subject} has no subscriber: does the agent run?")
            await asyncio.wait({question}, timeout=timeout)
            if question.cancelled():
                raise self._disconnection()
            if not question.done():
                raise KvferryError("deadline_exceeded", f"{subject} was not answered within {timeout:g} s")
            return question.result()
        finally:
            self._questions.discard(question)
            await subscription.close()

    async def request_all(self, subject: str, body: bytes, seconds: float, enough: int | None = None) -> list[bytes]:
        self._check(subject, body)
        answers: list[bytes] = []
        is_enough = asyncio.Event()

        def answered(message: Message) -> None:
            answers.append(message.body)
            if len(answers) == enough:
                is_enough.set()

        inbox = self._bus.inbox()
        subscription = await self.subscribe(inbox, answered)
        try:
            self._bus.send(Message(subject, body, {}, inbox))
            await set_within(is_enough, seconds)
        finally:
            await subscription.close()
        return answers

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._check(subject, body)
        self._bus.send(Message(subject, body, headers or {}))

    async def subscribe(self, subject: str, handler: Handler) -> _MemorySubscription:
        if self._is_closed:
            raise self._disconnection()
        subscription = _MemorySubscription(self._bus, self, subject, handler)
        self._bus.add(subscription)
        return subscription

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)

    async def flush(self) -> None:
        if not self.is_connected:
            raise self._disconnection()

    async def close(self) -> None:
        self._is_closed = True
        self._bus.forget(self)
        self._end_questions()

    def set_connected(self, is_connected: bool) -> None:
        """For the bus."""
        if is_connected == self._is_connected:
            return
        self._is_connected = is_connected
        if not is_connected:
            self._end_questions()
        for listener in self._listeners:
            listener(is_connected)

    def _end_questions(self) -> None:
        for question in self._questions:
            question.cancel()

    def _check(self, subject: str, body: bytes) -> None:
        if not self.is_connected:
            raise self._disconnection()
        if len(body) > self.message_bytes_max:
            message = f"a message of {len(body)} bytes to {subject} is larger than {self.message_bytes_max}"
            raise KvferryError("message_too_large", message)

    def _disconnection(self) -> KvferryError:
        if self._is_closed:
            return KvferryError("closed", "the client is closed")
        return KvferryError("disconnected", "the connection to NATS is broken")


class _MemorySubscription:
    def __init__(self, bus: MemoryBus, transport: MemoryTransport, subject: str, handler: Handler) -> None:
        self.transport = transport
        self._bus = bus
        self._tokens = subject.split(".")
        self._handler = handler
        self._is_closed = False

    def fits(self, subject: str) -> bool:
        tokens = subject.split(".")
        for index, token in enumerate(self._tokens):
            if token == ">":
                return len(tokens) > index
            if index >= len(tokens) or token not in ("*", tokens[index]):
                return False
        return len(tokens) == len(self._tokens)

    def deliver(self, message: Message) -> None:
        if not self._is_closed and self.transport.is_connected:
            self._handler(message)

    async def close(self) -> None:
        self._is_closed = True
        self._bus.remove(self)
