"""The outcome of a fold, of operations or of time: the records to send, in order. Pure."""

from dataclasses import dataclass, field

from halt400.records import Command, Offence
from streams.detection import Decision, Finding
from streams.fleet_cap.log import GrantRequest
from streams.processing.decoding import Refusal

__all__ = ["Outcome"]


@dataclass(slots=True)
class Outcome:
    """The records that follow from a fold, from operations or from time, in their order.

    `forgotten` are scopes that need no command any more; `grant_requests` are to be written to the fleet's log.
    """

    offences: list[Offence] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    withheld: list[Command] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    grant_requests: list[GrantRequest] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.offences or self.commands or self.refusals or self.findings or self.forgotten or self.grant_requests
        )

    def add(self, decision: Decision, offset: int, operations_offset: int, index: int | None = None) -> None:
        """Add what detection decided, and state in each command which records it includes.

        Those are the responses up to `offset`, -1 for none, and the operations up to `operations_offset`. Of an array
        of events at `offset` they are those up to `index`; None: all. The target's row has the same objects.
        """
        for command in decision.commands:
            if command.responses_offset is None or command.responses_offset <= offset:
                command.responses_index = index
            command.responses_offset = _later(command.responses_offset, offset)
            command.operations_offset = _later(command.operations_offset, operations_offset)
        self.commands += decision.commands
        self.withheld += decision.withheld
        self.forgotten += decision.forgotten
        self.findings += decision.findings

    def join(self, other: "Outcome") -> None:
        """Add the outcome of what came next."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


def _later(known: int | None, offset: int) -> int | None:
    """The later of two offsets; -1 for none."""
    return max(known if known is not None else -1, offset) if offset >= 0 else known
