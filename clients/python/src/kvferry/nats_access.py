"""How a program proves to NATS who it is, and how it recognises the server. All of it is in files, which are read again
for every connection: a renewed file needs no restart."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.client import DEFAULT_FLUSH_TIMEOUT
from nats.aio.client import Client as NatsClient
from nats.nuid import NUID, TOTAL_LENGTH

from .errors import KvferryError

log = logging.getLogger("kvferry")


@dataclass(frozen=True)
class NatsAccess:
    """The options and variables of agents have the same names: `creds` is `--nats-creds` and `KVFERRY_NATS_CREDS`."""

    creds: str | None = None
    """File with the JWT and the seed of a user, as `nsc generate creds` writes it."""
    nkey: str | None = None
    """File with the seed of an nkey, and nothing else."""
    ca: str | None = None
    """File with the authorities that may sign the certificate of the server. Requires TLS."""
    cert: str | None = None
    """File with the certificate of this program. Requires TLS."""
    key: str | None = None
    """File with the private key of `cert`."""
    tls: str = "auto"
    """`auto` or `required`. A URL that begins with `tls://` requires TLS too."""

    @staticmethod
    def of_environment(given: Mapping[str, str | None]) -> NatsAccess:
        """What is not given comes from the environment."""
        found = {name: given.get(name) or os.environ.get(f"KVFERRY_NATS_{name.upper()}") for name in _NAMES}
        return NatsAccess(**{name: value for name, value in found.items() if value})

    def check(self) -> None:
        """Raises `invalid_configuration`."""
        if self.creds and self.nkey:
            raise _invalid("nkey", "give nats_creds or nats_nkey, not both")
        if bool(self.cert) != bool(self.key):
            raise _invalid("cert", "nats_cert and nats_key belong together")
        if self.tls not in ("auto", "required"):
            raise _invalid("tls", "must be auto or required")
        for name in ("creds", "nkey"):
            if getattr(self, name) and not _reads_seeds():
                raise _invalid(name, "needs the package nkeys: pip install nkeys")
        for name in ("creds", "nkey", "ca", "cert", "key"):
            path = getattr(self, name)
            if path and not os.access(path, os.R_OK):
                raise _invalid(name, f"the file {path} cannot be read")
        if self.creds and not _has(self.creds, _USER_JWT, _SEED_BLOCK):
            raise _invalid("creds", f"the file {self.creds} has no JWT and seed of a user: name a creds file")
        if self.nkey and not _has(self.nkey, _SEED):
            raise _invalid("nkey", f"the file {self.nkey} has no seed of a user: name a file that begins with SU")

    def user_name(self) -> str | None:
        """The name of the user in the creds file, if there is one."""
        if not self.creds:
            return None
        try:
            jwt = _USER_JWT.search(Path(self.creds).read_text())
            claims = jwt.group(1).split(".")[1] if jwt else ""
            name = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))).get("name")
        except (OSError, IndexError, ValueError):
            # The connection reports what is wrong with the file.
            return None
        return name if isinstance(name, str) else None

    def requires_tls(self, servers: list[str]) -> bool:
        return bool(
            self.tls == "required" or self.ca or self.cert or any(url.lower().startswith("tls://") for url in servers)
        )

    def context(self) -> ssl.SSLContext:
        """Raises `invalid_configuration`."""
        context = ssl.create_default_context()
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Reads the files into a context, which the next connection uses. Raises `invalid_configuration`."""
        try:
            if self.ca:
                context.load_verify_locations(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise _invalid("ca", f"the file {self.ca} does not contain certificates in PEM") from error
        try:
            if self.cert:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            raise _invalid("cert", f"{self.cert} and {self.key} are no certificate and its key in PEM") from error

    def options(self) -> dict[str, Any]:
        """Options of `nats.connect`. Its client reads these files for every connection."""
        options: dict[str, Any] = {}
        if self.creds:
            options["user_credentials"] = self.creds
        if self.nkey:
            options["nkeys_seed"] = self.nkey
        return options

    def remedy(self, reason: str) -> str:
        """What to do about a refusal; empty when that is not known."""
        lower = reason.lower()
        if "connect call failed" in lower or "no nats server accepts" in lower:
            return ": does nats-server run there? nats_url or KVFERRY_NATS_URL names another server"
        if "certificate required" in lower or "bad certificate" in lower or "handshake" in lower:
            return ": the server asks for a certificate that its authorities have signed: nats_cert and nats_key"
        if "certificate has expired" in lower or "certificate is not yet valid" in lower:
            # To the hour, as the agents say it: a log that leaves out what it said before compares the texts.
            now = f"{datetime.now(timezone.utc):%Y-%m-%dT%HZ}"
            return f": renew the server's certificate, unless the clock of this host is wrong: it says {now}"
        if "certificate verify failed" in lower and self.ca and "hostname" not in lower and "ip address" not in lower:
            return f": no authority in {self.ca} (nats_ca) has signed the server's certificate"
        if "certificate verify failed" in lower:
            return ": name the authority that has signed the server's certificate: nats_ca"
        if "authorization" not in lower and "authentication" not in lower:
            return ""
        if self.creds:
            return f": the server does not accept the user of {self.creds} (nats_creds): renew the file"
        if self.nkey:
            return f": the server does not know the nkey of {self.nkey} (nats_nkey): add it to its users"
        return ": give a user by nats_creds or nats_nkey, or the right user and password in the URL"


class _RandomTokens(NUID):
    """Last tokens of inboxes. The NATS client counts: an agent that was asked would know where other answers come."""

    def next(self) -> bytearray:
        return bytearray(secrets.token_hex(TOTAL_LENGTH // 2).encode())


class AccessClient(NatsClient):
    """A NATS client that reads renewed files. Where TLS is required, it sends nothing to a server without it."""

    def __init__(self, access: NatsAccess, servers: list[str]) -> None:
        super().__init__()
        self._nuid = _RandomTokens()
        self._access = access
        self._requires_tls = access.requires_tls(servers)
        self._context = access.context() if self._requires_tls else None

    def settings(self) -> dict[str, Any]:
        return self._access.options() | ({"tls": self._context} if self._context else {})

    def renew(self) -> None:
        """Reads the files of TLS again. A file that is being replaced counts as unchanged."""
        if self._context is None:
            return
        try:
            self._access.load(self._context)
        except KvferryError as error:
            log.warning("certificates not read again: %s", error)

    async def flush(self, timeout: int = DEFAULT_FLUSH_TIMEOUT) -> None:
        """Returns when the server has every command before it. nats-py lets the question of a flush overtake commands
        that wait in its buffer."""
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)

    def _connect_command(self) -> bytes:
        if self._requires_tls and not self._server_info.get("tls_required"):
            raise nats.errors.Error(
                "the server has no TLS, and nats_tls, nats_ca, nats_cert or a tls:// URL requires it"
            )
        try:
            if self._access.nkey:
                self._setup_nkeys_connect()
            return super()._connect_command()
        except Exception as error:
            # Of a file that was replaced by another kind of file. The client goes on trying after an error of its own.
            raise nats.errors.Error(f"the file of the user cannot be used: {error!r}") from error


_USER_JWT = re.compile(r"-----BEGIN NATS USER JWT-----\s+([\w.-]+)")
_SEED_BLOCK = re.compile(r"-----BEGIN USER NKEY SEED-----\s+SU[A-Z2-7]+\s")
_SEED = re.compile(r"\ASU[A-Z2-7]+\s*\Z")
_NAMES = ("creds", "nkey", "ca", "cert", "key", "tls")


def _invalid(name: str, message: str) -> KvferryError:
    return KvferryError("invalid_configuration", f"nats_{name}: {message}", field=f"nats_{name}")


def _has(path: str, *patterns: re.Pattern[str]) -> bool:
    """The NATS client fails in any way for another file."""
    text = Path(path).read_text(errors="replace")
    return all(pattern.search(text) for pattern in patterns)


def _reads_seeds() -> bool:
    from importlib.util import find_spec

    return find_spec("nkeys") is not None
