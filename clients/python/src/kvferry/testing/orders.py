"""The session of an engine at a fake agent: executes its orders in the order of their numbers, each at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import ErrorDetails, KvferryError

_AHEAD_MAX = 1024

Execute = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass
class FakeSession:
    id: str
    holder: str
    silent_ms: int
    next: int = 0
    ended: bool = False
    answers: dict[int, tuple[str, dict[str, Any] | KvferryError]] = field(default_factory=dict)
    """The content and the answer of each order that was executed."""
    barred: set[int] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def execute(self, operation: str, fields: dict[str, Any], execute: Execute) -> dict[str, Any]:
        number = fields["order"]
        content = f"{operation} {sorted((key, repr(value)) for key, value in fields.items())}"
        async with self.turn:
            if number in self.barred:
                raise KvferryError("order_barred", f"order {number} came after a barrier above it")
            if number in self.answers:
                return self._again(number, content)
            if number != self.next:
                details = ErrorDetails(order=self.next)
                raise KvferryError("order_out_of_turn", f"order {self.next} is expected", details=details)
            answer: dict[str, Any] | KvferryError
            try:
                answer = await execute(operation, fields)
            except KvferryError as error:
                answer = error
            self.answers[number] = (content, answer)
            self.answers.pop(number - _AHEAD_MAX, None)
            self.next = number + 1
            return self._again(number, content)

    async def barrier(self, order: int) -> list[int]:
        if order > self.next + _AHEAD_MAX:
            details = ErrorDetails(order=self.next)
            raise KvferryError("order_out_of_turn", f"order {self.next} is expected", details=details)
        async with self.turn:
            self.barred.update(range(self.next, order))
            self.next = max(self.next, order)
            return sorted(number for number in self.barred if number < order)

    def _again(self, number: int, content: str) -> dict[str, Any]:
        first, answer = self.answers[number]
        if first != content:
            raise KvferryError("order_reused", f"order {number} had another content")
        if isinstance(answer, KvferryError):
            raise answer
        return answer
