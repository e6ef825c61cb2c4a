"""Makes shared objects in the place of the CUDA libraries of PyPI's torch. Without a GPU torch never calls them, but
its libraries refer to their symbols. So they must define each symbol, under its version. A call ends the process.

Runs with the Python of the environment. Needs gcc, readelf and nm."""

from __future__ import annotations

import collections
import re
import subprocess
import sysconfig
import tempfile
from pathlib import Path

SITE = Path(sysconfig.get_paths()["platlib"])
TARGET = SITE / "nvidia/cu13/lib"
# The driver, which torch opens itself, when there is one.
NEVER_LINKED = {"libcuda.so.1"}
LIBRARY = re.compile(r"\[(lib(?:cu|nv|nccl)\w*\.so\.\d+)\]")
UNDEFINED = re.compile(r" [UwWvV] (\w+)(?:@(\S+))?$", re.MULTILINE)
UNVERSIONED = re.compile(r"(nccl|nvshmem|cudnn|cuFile|cublas|cusparse|cufft|curand|cusolver|nvrtc|cupti|cu[A-Z])")
# Libraries whose symbols do not begin with the name of the library.
PREFIXES = {"nvshmem_host": "nvshmem"}


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def needed_by_torch() -> tuple[set[str], dict[str, set[str]]]:
    """The libraries that torch's libraries need, and the symbols that these leave undefined, by version."""
    libraries: set[str] = set()
    symbols: dict[str, set[str]] = collections.defaultdict(set)
    for file in (SITE / "torch/lib").glob("*.so"):
        libraries |= set(LIBRARY.findall(output("readelf", "-dW", str(file))))
        for name, version in UNDEFINED.findall(output("nm", "-D", "--undefined-only", str(file))):
            symbols[version].add(name)
    return libraries - NEVER_LINKED, symbols


def make(library: str, versioned: set[str], plain: set[str]) -> None:
    version = "NVSHMEM" if "nvshmem" in library else library
    body = "".join(
        f'void {name}(void) {{ fputs("no GPU here, but {name} was called\\n", stderr); abort(); }}\n'
        for name in sorted(versioned | plain)
    )
    with tempfile.TemporaryDirectory() as folder:
        source, versions = Path(folder, "stub.c"), Path(folder, "versions")
        source.write_text(f"#include <stdio.h>\n#include <stdlib.h>\n{body}")
        versions.write_text(f"{version} {{ global: {' '.join(f'{name};' for name in sorted(versioned))} }};\n")
        script = [f"-Wl,--version-script={versions}"] if versioned else []
        quiet = ["-w", "-fno-builtin"]
        target = ["-Wl,-soname," + library, "-o", str(TARGET / library)]
        output("gcc", "-shared", "-fPIC", *quiet, str(source), *script, *target)


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    libraries, symbols = needed_by_torch()
    unversioned = {name for name in symbols[""] if UNVERSIONED.match(name)}
    for library in sorted(libraries):
        if (TARGET / library).exists():
            continue
        base = re.sub(r"^lib|\.so.*", "", library)
        prefix = PREFIXES.get(base, base).lower()
        version = "NVSHMEM" if "nvshmem" in library else library
        make(library, symbols.get(version, set()), {name for name in unversioned if name.lower().startswith(prefix)})


if __name__ == "__main__":
    main()
