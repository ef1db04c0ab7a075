"""`halt400 release`, `extend`, `quarantine` and `probe`: operations that a person sends; each waits for its command."""

import asyncio
import getpass
import re
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import OutputFormat, moment, print_json

if TYPE_CHECKING:
    from streams.operations import OperationKind

__all__ = ["register", "seconds_of"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

ScopeId = Annotated[str, typer.Argument(metavar="SCOPE", help="job/TARGET/JOB, target/TARGET, as `quarantines` names.")]
Reason = Annotated[str, typer.Option(help="Why; the command records it.")]
Actor = Annotated[str | None, typer.Option("--as", help="Who asks.", show_default="the user of this machine")]
Deadline = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for a worker.")]
Output = Annotated[OutputFormat, typer.Option("--format", help="A line, or the command as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def release(
        scope: ScopeId, reason: Reason, actor: Actor = None, timeout: Deadline = 20, output: Output = "table"
    ) -> None:
        """Release a scope: its requests are sent again.

        Exit codes: 0 released, 1 not done.

        Example: halt400 release job/api.shop.example/extract-099 --reason "2.4.1 is out"
        """
        _send("release", scope, reason, actor, None, timeout, output)

    @app.command()
    def extend(
        scope: ScopeId,
        reason: Reason,
        hold: Annotated[
            str | None, typer.Option(help="From now on: 90s, 30m, 2h, 1d.", show_default="its hold once more")
        ] = None,
        actor: Actor = None,
        timeout: Deadline = 20,
        output: Output = "table",
    ) -> None:
        """Quarantine a scope for longer; a probe under way is cancelled.

        Exit codes: 0 extended, 1 not done.

        Example: halt400 extend job/api.shop.example/extract-099 --hold 2h --reason "not mended yet"
        """
        _send("extend", scope, reason, actor, hold, timeout, output)

    @app.command()
    def quarantine(
        scope: ScopeId,
        reason: Reason,
        hold: Annotated[
            str | None, typer.Option(help="From now on: 90s, 30m, 2h, 1d.", show_default="as the target's policy says")
        ] = None,
        actor: Actor = None,
        timeout: Deadline = 20,
        output: Output = "table",
    ) -> None:
        """Quarantine a job on a target, or the whole target, by hand.

        Exit codes: 0 quarantined, 1 not done.

        Example: halt400 quarantine target/api.shop.example --hold 30m --reason "they are migrating"
        """
        _send("quarantine", scope, reason, actor, hold, timeout, output)

    @app.command()
    def probe(
        scope: ScopeId, reason: Reason, actor: Actor = None, timeout: Deadline = 20, output: Output = "table"
    ) -> None:
        """Probe a quarantined scope now, before its hold is over.

        Exit codes: 0 a gate may probe, 1 not done.

        Example: halt400 probe job/api.shop.example/extract-099 --reason "2.4.1 is out"
        """
        _send("probe", scope, reason, actor, None, timeout, output)


def _send(
    kind: "OperationKind",
    scope: str,
    reason: str,
    actor: str | None,
    hold: str | None,
    timeout_s: float,
    output: OutputFormat,
) -> None:
    from msgspec import to_builtins

    from streams.operations import OperationRequest, parse_scope, send_operation
    from streams.settings import load_settings

    try:
        parsed = parse_scope(scope)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="SCOPE") from None
    hold_s = seconds_of(hold)
    try:
        request = OperationRequest(
            kind=kind, scope=parsed, actor=actor or getpass.getuser(), reason=reason, hold_s=hold_s
        )
    except ValueError as error:
        field, _, meaning = str(error).partition(": ")
        raise typer.BadParameter(meaning, param_hint="--as" if field == "actor" else f"--{field}") from None
    command = asyncio.run(send_operation(load_settings().kafka, request, timeout_s))
    if output == "json":
        print_json(to_builtins(command))
        return
    until = "" if command.state == "released" else f" until {moment(command.expires_at, now_ms=command.issued_at)}"
    typer.echo(f"{command.scope.id} is {command.state}{until}: {command.reason} ({command.issued_by})")
    if kind == "quarantine" and not any(window.responses for window in command.windows):
        typer.echo(f"No response of {parsed.target} was counted in the last hour: `halt400 rates` lists the targets.")


def seconds_of(text: str | None) -> int | None:
    """Parse a duration such as 30m; None stays None."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r}: write a number and s, m, h or d, such as 30m", param_hint="--hold")
    return int(found[1]) * _UNITS_S[found[2]]
