"""The virtual environment with LMCache, in ~/.cache/kvferry. It uses the packages of the one with vLLM."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
HOME = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kvferry"


class CannotSetUp(Exception):
    """Why this machine cannot run the proof, in one line."""


def environment() -> tuple[Path, Path]:
    """The Python that has both, and the folder of the models."""
    found = sorted(HOME.glob("vllm-*/models/tiny"), key=lambda one: one.stat().st_mtime)
    if not found:
        raise CannotSetUp(f"{HOME} has no environment with vLLM: `npm run test:vllm` makes it")
    base = found[-1].parents[1]
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = HOME / f"lmcache-{base.name.removeprefix('vllm-')}-{digest}"
    if not folder.exists():
        _make(folder, base)
    return folder / "bin/python", found[-1].parent


def _make(folder: Path, base: Path) -> None:
    work = folder.with_suffix(f".{os.getpid()}")
    try:
        _run(base / "bin/python", "-m", "venv", str(work))
        [packages] = work.glob("lib/python3.*/site-packages")
        [others] = base.glob("lib/python3.*/site-packages")
        (packages / "vllm.pth").write_text(f"{others}\n")
        _run(work / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS))
        work.rename(folder)
    except OSError as error:
        # Another run was faster.
        if not folder.exists():
            raise CannotSetUp(str(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise CannotSetUp(f"{Path(command[0]).name} {command[2]} failed: {lines[-1]}")
