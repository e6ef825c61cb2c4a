"""The only error class of this package. Callers decide by `code`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .protocol.constants import End, ErrorCode

# The same call, or a new request with the same chunks, can succeed later.
_RETRYABLE = frozenset(
    {
        "unknown_receiver",
        "too_many_requests",
        "agent_draining",
        "agent_paused",
        "agent_fenced",
        "too_many_sessions",
        "too_many_orders",
        "staging_exhausted",
        "stale_epoch",
        "stale_grant",
        "stale_handle",
        "no_responders",
        "deadline_exceeded",
        "disconnected",
        "receiver_lost",
        "sender_lost",
        "writer_failed",
        "connection_failed",
        "connection_lost",
        "write_rejected",
        "fabric_error",
        "unknown_session",
        "session_ended",
    }
)


@dataclass(frozen=True)
class ErrorDetails:
    """What an agent adds for programs to the code of its answer."""

    end: End | None = None
    """`request_ended`: the recorded end."""
    epoch: str | None = None
    """`duplicate_batch` and `request_ended` of a put: epoch of the agent that has the request."""
    receiver: str | None = None
    """`already_routed`: the receiver that was named first."""
    order: int | None = None
    """`order_out_of_turn`: the number that the agent expects."""
    session: str | None = None
    """`segment_exists` and `wrong_session`: the session that holds the segment or the request."""


class KvferryError(Exception):
    """`message` names the object and, where there is one, the remedy. `field` names the field that caused the
    error."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        details: ErrorDetails | None = None,
        answered: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.field = field
        self.details = details if details is not None else ErrorDetails()
        self.answered = answered
        """An agent has answered with this error. Otherwise it was raised here."""

    @property
    def retryable(self) -> bool:
        """Whether the same work can succeed later: the same call, or another request with the same chunks."""
        return self.code in _RETRYABLE

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.code, self.message, self.field, self.details, self.answered)


def _rebuilt(code: ErrorCode, message: str, field: str | None, details: ErrorDetails, answered: bool) -> KvferryError:
    return KvferryError(code, message, field=field, details=details, answered=answered)


def invalid_field(field: str, message: str) -> KvferryError:
    return KvferryError("invalid_field", message, field=field)
