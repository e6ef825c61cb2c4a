"""Lines of a connector in the log of its engine. vLLM's format has the file and not the logger, so the text names
kvferry: `grep kvferry` finds them all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import KvferryError

_NAME = "kvferry: "


def name_lines(log: logging.Logger) -> None:
    """Those of a connector, and of the client, whose lines about NATS and rights end up in the log of the engine too.
    Repeated, it changes nothing."""
    for one in (log, logging.getLogger("kvferry")):
        one.addFilter(_named)


@contextmanager
def reason_logged(log: logging.Logger, what: str) -> Iterator[None]:
    """An engine that does not start prints many lines behind the reason: this one can be found."""
    try:
        yield
    except Exception as error:
        is_foreseen = isinstance(error, (ValueError, KvferryError))
        log.error("%s: %s", what, error if is_foreseen else repr(error))
        raise


def _named(record: logging.LogRecord) -> bool:
    if not str(record.msg).startswith(_NAME):
        record.msg = f"{_NAME}{record.msg}"
    return True
