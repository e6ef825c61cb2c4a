"""Where the logs of the processes go."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def add_keep_logs(options: argparse.ArgumentParser) -> None:
    options.add_argument("--keep-logs", type=Path, metavar="FOLDER", help="keep the logs of all processes there")


@contextmanager
def logs(kept: Path | None) -> Iterator[Path]:
    """A folder that is removed in the end, unless it is named."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="kvferry-vllm-") as folder:
        yield Path(folder)
