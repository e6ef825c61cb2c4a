"""How a program of this folder runs, and ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from .forked import Died

Result = TypeVar("Result")
INTERRUPTED = 130


def say(line: str) -> None:
    """Results are for standard output, so this goes to the other one."""
    print(line, file=sys.stderr, flush=True)


def run(program: Coroutine[Any, Any, Result]) -> Result:
    """Ends with a line and not with a stack when a process died, or when the user interrupts."""
    try:
        return asyncio.run(program)
    except Died as died:
        say(str(died))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
