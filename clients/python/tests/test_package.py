"""The package as users install it, and what its messages are made from."""

from __future__ import annotations

import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from kvferry.protocol import constants, messages, observations
from kvferry.protocol.check import has_schema

FOLDER = Path(__file__).parents[1]
ASYNCAPI = json.loads((FOLDER.parents[1] / "docs/asyncapi.json").read_text("utf-8"))
# Between agents, and of operators.
NOT_OF_CLIENTS = {
    "audit",
    "traceHeaders",
    "lengthRun",
    "discoverRequest",
    "discoverReply",
    "lookupAllRequest",
    "lookupAllReply",
    "faultRequest",
    "faultReply",
}


def schemas() -> dict[str, dict[str, typing.Any]]:
    peer = {
        reference["$ref"].rsplit("/", 1)[-1]
        for operation in ASYNCAPI["operations"].values()
        if operation["tags"] == [{"name": "between agents"}]
        for reference in operation["messages"] + operation.get("reply", {}).get("messages", [])
    } - {"heartbeat", "errorReply"}
    all_schemas: dict[str, dict[str, typing.Any]] = ASYNCAPI["components"]["schemas"]
    return {name: one for name, one in all_schemas.items() if name not in peer | NOT_OF_CLIENTS}


def test_each_message_of_the_asyncapi_document_has_a_type_with_its_fields() -> None:
    found = schemas()
    assert {"putRequest", "acquireReply", "terminal", "heartbeat", "errorReply"} <= set(found)
    for name, schema in found.items():
        python = f"{name[0].upper()}{name[1:]}"
        made = getattr(messages, python, None) or getattr(observations, python, None)
        assert made is not None, f"no type for {name}: run npm run docs"
        # A client adds the version by itself.
        fields = set(schema["properties"]) - ({"v"} if name.endswith("Request") else set())
        assert set(made.__annotations__) == fields, name
        assert has_schema(name)


def test_each_operation_of_engines_has_a_method() -> None:
    from kvferry import Client

    for name, operation in ASYNCAPI["operations"].items():
        if operation["tags"] == [{"name": "engines and routers"}]:
            python = {"lookupAll": "lookup_all"}.get(name, name)
            assert callable(getattr(Client, python)), name


def test_the_error_codes_are_those_of_the_document() -> None:
    codes = ASYNCAPI["components"]["schemas"]["failure"]["properties"]["code"]["enum"]
    assert list(typing.get_args(constants.ErrorCode)) == codes


def test_an_installed_wheel_has_types_and_schemas_and_needs_no_numpy(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    source = tmp_path / "source"
    source.mkdir()
    # A build writes into its source folder.
    for name in ("pyproject.toml", "README.md", "src"):
        subprocess.run(["cp", "-r", str(FOLDER / name), str(source)], check=True)
    target = tmp_path / "installed"
    subprocess.run([*pip, "--no-build-isolation", "--target", str(target), str(source)], check=True)
    assert (target / "kvferry/py.typed").exists()
    program = "import kvferry, kvferry.sync, kvferry.testing, sys; print(kvferry.__file__, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(target / "kvferry/__init__.py"), "False"]


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_a_file_has_at_most_400_lines(folder: str) -> None:
    long = [path for path in (FOLDER / folder).rglob("*.py") if len(path.read_text("utf-8").splitlines()) > 400]
    assert long == []
