"""Operations of people: what is asked of a scope, sent to the workers, and the command that follows."""

from streams.operations.command_log import CommandLog
from streams.operations.request import OperationFailed, OperationKind, OperationRequest, parse_scope
from streams.operations.sender import OperationSender, send_operation

__all__ = [
    "CommandLog",
    "OperationFailed",
    "OperationKind",
    "OperationRequest",
    "OperationSender",
    "parse_scope",
    "send_operation",
]
