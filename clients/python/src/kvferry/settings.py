"""What a user sets for a connector of this package: named values, and the way to NATS, which all connectors share."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .client import Client, connect
from .errors import KvferryError
from .nats_access import NatsAccess
from .protocol.constants import NAME_BYTES_MAX
from .protocol.subjects import DEFAULT_TENANT, is_tenant
from .transport import CONNECT_SECONDS

CONNECTION_KEYS = (
    "nats_url",
    "tenant",
    "nats_inbox",
    "nats_creds",
    "nats_nkey",
    "nats_ca",
    "nats_cert",
    "nats_key",
    "nats_tls",
)
_SECONDS_MAX = 600.0
"""The longest time that an agent takes for a request."""
_INBOX = re.compile(f"[A-Za-z0-9_-]{{1,{NAME_BYTES_MAX}}}")


class Settings:
    """Every method raises `ValueError`, which names the key and what it takes."""

    def __init__(self, values: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
        """`where`: what the values are called where the user writes them."""
        self._values = values
        self._where = where
        unknown = sorted(set(values) - set(keys))
        if unknown:
            near = difflib.get_close_matches(unknown[0], keys, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise self.invalid(unknown[0], f"is unknown: {meant}the keys are {', '.join(keys)}")

    def get(self, key: str) -> Any:
        return self._values.get(key)

    def text(self, key: str) -> str | None:
        value = self._values.get(key)
        if value is not None and (not isinstance(value, str) or value == ""):
            raise self.invalid(key, f"is {value!r}, and must be a text")
        return value

    def integer(self, key: str, default: int) -> int:
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.invalid(key, f"is {value!r}, and must be a whole number from 1")
        return value

    def optional_integer(self, key: str) -> int | None:
        return self.integer(key, 1) if key in self._values else None

    def seconds(self, key: str, default: float) -> float:
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _SECONDS_MAX:
            raise self.invalid(key, f"is {value!r}, and must be seconds, above 0 and up to {_SECONDS_MAX:g}")
        return float(value)

    def invalid(self, key: str, what: str) -> ValueError:
        return ValueError(f"{self._where}: {key} {what}")


@dataclass(frozen=True)
class ConnectionSettings:
    """How a connector reaches NATS, and for which tenant it asks."""

    nats_url: str | None = None
    """None: `KVFERRY_NATS_URL`, or this host."""
    tenant: str = DEFAULT_TENANT
    nats_inbox: str | None = None
    """Where answers come: the `inbox` of `kvferry.connect`."""
    access: NatsAccess = field(default_factory=NatsAccess)

    async def connect(self, name: str, *, connect_timeout: float = CONNECT_SECONDS) -> Client:
        """As `kvferry.connect`."""
        access = self.access
        return await connect(
            self.nats_url,
            name=name,
            inbox=self.nats_inbox,
            connect_timeout=connect_timeout,
            tenant=self.tenant,
            nats_creds=access.creds,
            nats_nkey=access.nkey,
            nats_ca=access.ca,
            nats_cert=access.cert,
            nats_key=access.key,
            nats_tls=access.tls,
        )


def read_connection(settings: Settings) -> ConnectionSettings:
    """Raises `ValueError`, also for files that cannot be read."""
    tenant, inbox = settings.text("tenant") or DEFAULT_TENANT, settings.text("nats_inbox")
    if not is_tenant(tenant):
        what = f"is {tenant!r}, and must be 1 to {NAME_BYTES_MAX} letters, digits, _ and -, and not begin with _"
        raise settings.invalid("tenant", what)
    if inbox is not None and _INBOX.fullmatch(inbox) is None:
        what = f"is {inbox!r}, and must be 1 to {NAME_BYTES_MAX} letters, digits, _ and -"
        raise settings.invalid("nats_inbox", what)
    names = ("creds", "nkey", "ca", "cert", "key", "tls")
    access = NatsAccess.of_environment({name: settings.text(f"nats_{name}") for name in names})
    try:
        access.check()
    except KvferryError as error:
        raise settings.invalid(f"{error.field}:", error.message.removeprefix(f"{error.field}: ")) from error
    return ConnectionSettings(settings.text("nats_url"), tenant, inbox, access)
