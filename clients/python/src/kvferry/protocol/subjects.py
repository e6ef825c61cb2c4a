"""The NATS subjects that engines and routers use."""

from .constants import PROTOCOL_VERSION

ROOT = f"kvferry.v{PROTOCOL_VERSION}"
DISCOVER = f"{ROOT}.discover"
LOOKUP = f"{ROOT}.lookup"
TERMINALS = f"{ROOT}.event.>"
HEARTBEATS = f"{ROOT}.heartbeat.*"


def operation(agent: str, name: str) -> str:
    return f"{ROOT}.agent.{agent}.{name}"


def source_released(agent: str) -> str:
    return f"{ROOT}.source.{agent}"


def heartbeat(agent: str) -> str:
    return f"{ROOT}.heartbeat.{agent}"


def terminal(agent: str, end: str) -> str:
    return f"{ROOT}.event.{agent}.{end}"
