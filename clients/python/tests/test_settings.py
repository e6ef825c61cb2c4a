"""What both connectors take about NATS and the tenant."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvferry import KvferryError, connect
from kvferry.lmcache.config import read_config as read_lmcache
from kvferry.logs import reason_logged
from kvferry.nats_access import NatsAccess
from kvferry.settings import ConnectionSettings
from kvferry.vllm.config import EngineFacts
from kvferry.vllm.config import read_config as read_vllm

Read = Callable[[dict[str, Any]], ConnectionSettings]


def of_vllm(extra: dict[str, Any]) -> ConnectionSettings:
    return read_vllm({"agent": "a", **extra}, EngineFacts("m", None, 16, 1)).connection


def of_lmcache(params: dict[str, Any]) -> ConnectionSettings:
    return read_lmcache({"agent": "a", **params}).connection


USER = """-----BEGIN NATS USER JWT-----
a.b.c
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
SUAIGWXOGBHH6TZWCH
------END USER NKEY SEED------
"""

BOTH = pytest.mark.parametrize("read", [of_vllm, of_lmcache])


@BOTH
def test_nothing_about_nats_must_be_set(read: Read) -> None:
    settings = read({})
    assert settings == ConnectionSettings()
    assert (settings.nats_url, settings.tenant, settings.nats_inbox) == (None, "default", None)
    assert settings.access == NatsAccess()


@BOTH
def test_every_setting_reaches_the_connection(read: Read, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("creds", "ca", "cert", "key")}
    for file in files.values():
        Path(file).write_text(USER)
    given = {f"nats_{name}": file for name, file in files.items()}
    own = {"nats_url": "tls://nats:4222", "tenant": "team-a", "nats_inbox": "engine-a", "nats_tls": "required"}
    assert read({**given, **own}) == ConnectionSettings(
        "tls://nats:4222", "team-a", "engine-a", NatsAccess(**files, tls="required")
    )
    nkey = tmp_path / "nkey"
    nkey.write_text("SUAIGWXOGBHH6TZWCH\n")
    assert read({"nats_nkey": str(nkey)}).access == NatsAccess(nkey=str(nkey))


@BOTH
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nats_uri": "nats://n"}, "nats_uri is unknown: did you mean nats_url? the keys are agent, "),
        ({"zzz": 1}, "zzz is unknown: the keys are agent, "),
        ({"nats_url": 4222}, "nats_url is 4222, and must be a text"),
        ({"tenant": "_all"}, "tenant is '_all', and must be 1 to 64 letters"),
        ({"tenant": "team a"}, "tenant is 'team a', and must be 1 to 64 letters"),
        ({"tenant": "a" * 65}, f"tenant is '{'a' * 65}', and must be 1 to 64 letters"),
        ({"tenant": ""}, "tenant is '', and must be a text"),
        ({"nats_inbox": "engine.a"}, "nats_inbox is 'engine.a', and must be 1 to 64 letters"),
        ({"nats_creds": "/nonexistent"}, "nats_creds: the file /nonexistent cannot be read"),
        ({"nats_creds": "/dev/null", "nats_nkey": "/dev/null"}, "nats_nkey: give nats_creds or nats_nkey, not both"),
        ({"nats_tls": "maybe"}, "nats_tls: must be auto or required"),
    ],
)
def test_a_wrong_setting_is_one_error_that_names_it(read: Read, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"kv_connector_extra_config|adapter_params") as raised:
        read(given)
    assert message in str(raised.value)


def test_the_reason_why_an_engine_does_not_start_is_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("vllm.kvferry")
    with pytest.raises(ValueError, match="slot is unknown"), reason_logged(log, "vLLM does not start"):
        of_vllm({"slot": 1})
    [line] = caplog.messages
    assert line.startswith("kvferry: vLLM does not start: kv_connector_extra_config: slot is unknown: did you mean")


def test_an_unforeseen_reason_why_an_engine_does_not_start_is_a_line_too(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("vllm.kvferry")
    with pytest.raises(AttributeError), reason_logged(log, "vLLM does not start"):
        raise AttributeError("no head_size")
    assert caplog.messages == ["kvferry: vLLM does not start: AttributeError('no head_size')"]


async def test_a_client_of_no_tenant_is_refused_before_it_connects() -> None:
    with pytest.raises(KvferryError) as refused:
        await connect("nats://127.0.0.1:1", tenant="_all")
    assert (refused.value.code, refused.value.field) == ("invalid_field", "tenant")


@pytest.mark.parametrize("package", ["vllm", "lmcache"])
def test_lines_of_the_client_can_be_found_in_the_log_of_an_engine(
    package: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = [logging.getLogger(f"{package}.kvferry"), logging.getLogger("kvferry")]
    for logger in loggers:
        monkeypatch.setattr(logger, "filters", [])
    importlib.reload(importlib.import_module(f"kvferry.{package}"))
    for logger in loggers:
        logger.warning("NATS is %s", "disconnected")
    assert caplog.messages == ["kvferry: NATS is disconnected"] * 2
