"""Which parts of a prompt an engine computes, and in which steps. vLLM's own count of cached tokens is made before a
load, and stays when the load fails."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Step = tuple[int, int]
"""The first token, and the one after the last."""


def given_name(request_id: str) -> str:
    """vLLM has made the name unique."""
    return request_id.rpartition("-")[0]


class PromptSteps:
    def __init__(self, scheduler: Any) -> None:
        """Watches what this scheduler orders from now on."""
        self._steps: dict[str, list[Step]] = defaultdict(list)
        schedule = scheduler.schedule

        def watched(*arguments: Any, **named: Any) -> Any:
            output = schedule(*arguments, **named)
            for request_id, count in output.num_scheduled_tokens.items():
                self._ordered(scheduler.requests[request_id], count)
            return output

        scheduler.schedule = watched

    def take(self, name: str) -> list[Step]:
        """Of a request that has ended."""
        return self._steps.pop(name, [])

    def _ordered(self, request: Any, count: int) -> None:
        # The scheduler counts tokens as computed when it has ordered them.
        end = request.num_computed_tokens
        first = end - count
        if first < request.num_prompt_tokens:
            self._steps[given_name(request.request_id)].append((first, min(end, request.num_prompt_tokens)))
