"""The NATS subjects that engines and routers use."""

import re

from .constants import NAME_BYTES_MAX, PROTOCOL_VERSION

ROOT = f"kvferry.v{PROTOCOL_VERSION}"
DISCOVER = f"{ROOT}.discover"
HEARTBEATS = f"{ROOT}.heartbeat.*"
DEFAULT_TENANT = "default"
ALL_TENANTS = "_all"
"""In a subject: an operator, who sees all tenants."""
_TENANT = re.compile(f"[A-Za-z0-9-][A-Za-z0-9_-]{{0,{NAME_BYTES_MAX - 1}}}")


def is_tenant(name: str) -> bool:
    """Whether it can be the name of a tenant. Agents refuse others."""
    return _TENANT.fullmatch(name) is not None


def operation(agent: str, tenant: str, name: str) -> str:
    return f"{ROOT}.agent.{agent}.{tenant}.{name}"


def lookup(tenant: str) -> str:
    return f"{ROOT}.lookup.{tenant}"


def source_released(agent: str, tenant: str) -> str:
    return f"{ROOT}.source.{agent}.{tenant}"


def heartbeat(agent: str) -> str:
    return f"{ROOT}.heartbeat.{agent}"


def terminal(agent: str, tenant: str, end: str) -> str:
    return f"{ROOT}.event.{agent}.{tenant}.{end}"


def asked(subject: str) -> tuple[str, str]:
    """The operation that a subject names, and the tenant that asks."""
    tokens = subject.split(".")
    if tokens[2] == "lookup":
        return "lookup", tokens[3]
    return tokens[-1], DEFAULT_TENANT if tokens[2] == "discover" else tokens[4]


def announcer(subject: str) -> str:
    """The agent that an event or a heartbeat comes from, by its subject. NATS permissions let it name only itself."""
    tokens = subject.split(".")
    return tokens[3] if len(tokens) > 3 else ""


def inbox_prefix(name: str) -> str:
    """Answers to this client come to subjects below this one."""
    return "_INBOX_client." + re.sub("[^A-Za-z0-9_-]", "-", name)
