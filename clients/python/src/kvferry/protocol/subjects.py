"""The NATS subjects that engines and routers use."""

import re

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


def announcer(subject: str) -> str:
    """The agent that an event or a heartbeat comes from, by its subject. NATS permissions let it name only itself."""
    tokens = subject.split(".")
    return tokens[3] if len(tokens) > 3 else ""


def inbox_prefix(name: str) -> str:
    """Answers to this client come to subjects below this one."""
    return "_INBOX_" + re.sub("[^A-Za-z0-9_-]", "-", name)
