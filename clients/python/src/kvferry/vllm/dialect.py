"""`kv_transfer_params`, in the words of vLLM's NIXL connector, which routers pass from the prefill server to the decode
server unread. What kvferry adds is under one name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..protocol.subjects import DEFAULT_TENANT
from .weights import UNCHANGED

_OURS = "kvferry"
_RECEIVER = "kvferry_receiver"


@dataclass(frozen=True)
class Remote:
    """Where the chunks of a prompt are, as the prefill server answers it."""

    agents: tuple[str, ...]
    """The prefill agent of each rank."""
    request: str
    """The request id of kvferry."""
    epoch: str | None
    """The process of the first agent. None: the prefill server did not know it yet."""
    tokens: int
    chunk_tokens: int
    layout: str
    is_routed: bool
    """The prefill server knows the decode server, so that nothing has to be routed."""
    tenant: str = DEFAULT_TENANT
    """Whose request it is. Other tenants do not know it."""
    weights: str = UNCHANGED
    """What the prefill server has computed it with: `Weights.name`."""


def wants_decode(params: Mapping[str, Any] | None) -> bool:
    """The router asks this server for prefill, and another one for decode."""
    return params is not None and params.get("do_remote_decode") is True


def was_prefilled(params: Mapping[str, Any] | None) -> bool:
    """The router asks this server for decode, and has asked another one for prefill."""
    return params is not None and params.get("do_remote_prefill") is True


def early_receivers(params: Mapping[str, Any], ranks: int) -> tuple[str, ...] | None:
    """The decode agents of a router that knows them: a name, or one for each rank. None: they are named later. Raises
    `ValueError`."""
    named = params.get(_RECEIVER)
    if named is None:
        return None
    names = [named] if isinstance(named, str) else named
    is_list = isinstance(names, Sequence) and all(isinstance(name, str) and name != "" for name in names)
    if not is_list or len(names) != ranks:
        raise ValueError(f"{_RECEIVER} must name {ranks} decode agents, and is {named!r}")
    return tuple(names)


def answer(remote: Remote) -> dict[str, Any]:
    """The parameters that a prefill server answers."""
    ours: dict[str, Any] = {
        "agent": remote.agents[0],
        "request": remote.request,
        "tokens": remote.tokens,
        "chunk_tokens": remote.chunk_tokens,
        "layout": remote.layout,
        "routed": remote.is_routed,
        "tenant": remote.tenant,
    }
    if remote.epoch is not None:
        ours["epoch"] = remote.epoch
    if remote.weights != UNCHANGED:
        ours["weights"] = remote.weights
    if len(remote.agents) > 1:
        ours["agents"] = list(remote.agents)
    return {"do_remote_prefill": True, "do_remote_decode": False, _OURS: ours}


def read_remote(params: Mapping[str, Any] | None) -> Remote | None:
    """None: the prompt is computed here, and nothing is fetched. Raises `ValueError` for parameters that are not those
    of `answer`."""
    if params is None or not was_prefilled(params):
        return None
    ours = params.get(_OURS)
    if not isinstance(ours, Mapping):
        raise ValueError("kv_transfer_params are not those of a prefill server with kvferry")
    agents = ours.get("agents", [ours.get("agent")])
    if not isinstance(agents, Sequence) or not agents or not all(isinstance(name, str) for name in agents):
        raise ValueError(f"kv_transfer_params: agent is {ours.get('agent')!r}")
    epoch = ours.get("epoch")
    if epoch is not None and not isinstance(epoch, str):
        raise ValueError(f"kv_transfer_params: epoch is {epoch!r}")
    tenant, weights = _text(ours, "tenant", DEFAULT_TENANT), _text(ours, "weights", UNCHANGED)
    return Remote(
        agents=tuple(agents),
        request=_field(ours, "request", str),
        epoch=epoch,
        tokens=_field(ours, "tokens", int),
        chunk_tokens=_field(ours, "chunk_tokens", int),
        layout=_field(ours, "layout", str),
        is_routed=ours.get("routed") is True,
        tenant=tenant,
        weights=weights,
    )


def _text(ours: Mapping[str, Any], name: str, default: str) -> str:
    value = ours.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"kv_transfer_params: {name} is {value!r}")
    return value


def _field(ours: Mapping[str, Any], name: str, kind: type) -> Any:
    value = ours.get(name)
    if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
        raise ValueError(f"kv_transfer_params: {name} is {value!r}")
    return value
