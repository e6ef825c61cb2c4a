"""Lines of a connector in the log of its engine. vLLM's format has the file and not the logger, so the text names
kvferry: `grep kvferry` finds them all."""

from __future__ import annotations

import logging

_NAME = "kvferry: "


def name_lines(log: logging.Logger) -> None:
    """Repeated, it changes nothing."""
    log.addFilter(_named)


def _named(record: logging.LogRecord) -> bool:
    if not str(record.msg).startswith(_NAME):
        record.msg = f"{_NAME}{record.msg}"
    return True
