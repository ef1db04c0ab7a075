"""`halt400 alerts`: list incidents and routes, test the routes, send again what no sink took, acknowledge."""

import asyncio
import getpass
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.text import Text

from halt400.errors import SettingError
from streams.cli.asking import LimitOption, OutputOption, UrlOption, WatchOption, show_answer
from streams.cli.output import OutputFormat, moment, print_json, span, tables_on, visible_text

if TYPE_CHECKING:
    from streams.alerts.config import AlertsConfig
    from streams.alerts.dead_letters import ResendResult
    from streams.alerts.delivery import Sink
    from streams.settings import KafkaSettings

__all__ = ["register"]

T = TypeVar("T")

File = Annotated[
    Path | None,
    typer.Option(
        "--file", help=r"The file with the section \[alerts].", show_default="HALT400_CONFIG_PATH, halt400.toml"
    ),
]
Format = Annotated[OutputFormat, typer.Option("--format", help="A table, or JSON.")]

_OUTCOMES = {"accepted": "green", "refused": "red", "unavailable": "red"}
_RESULTS = {"sent": "green", "over": "dim", "kept": "red", "unreadable": "red", "waiting": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    alerts = typer.Typer(
        name="alerts",
        no_args_is_help=True,
        help="Who is alerted of a quarantine, and how.\n\nExample: halt400 alerts list",
    )
    app.add_typer(alerts)
    alerts.command("list")(list_incidents)
    alerts.command("test")(send_tests)
    for command in (routes, resend, ack):
        alerts.command()(command)


def list_incidents(
    state: Annotated[Literal["open", "closed", "all"], typer.Option(help="Closed ones are kept for a day.")] = "open",
    target: Annotated[str | None, typer.Option(help="Only on this target.")] = None,
    limit: LimitOption = 50,
    watch: WatchOption = None,
    output: OutputOption = "table",
    url: UrlOption = None,
) -> None:
    """List the incidents that alerts are about: the key that `ack` takes, what is halted, who was sent it.

    Exit codes: 0 listed, 1 the API does not answer.

    Example: halt400 alerts list --state all
    """
    show_answer(
        url,
        watch,
        output,
        lambda client: client.incidents(state=state, target=target, limit=limit),
        _print_incidents,
    )


def _print_incidents(answer: dict[str, Any]) -> None:
    now_ms, found = answer["as_of"], answer["incidents"]
    if found:
        console, table = tables_on("Incident", "Since", "State", "Halted", "Sent to", "Reason", numbers=("Halted",))
        for one in found:
            acknowledged = one["acknowledged"]
            by = f"closed by {one['closed_by']}" if one["closed_at"] else None
            by = by or (f"acknowledged by {acknowledged['by']}" if acknowledged else "open")
            sent = ", ".join(f"{a['sink']}{' (undelivered)' if a['undelivered'] else ''}" for a in one["sent"])
            summaries = [finding["summary"] for finding in one["findings"]]
            reason = one["closing_reason"] or one["reason"] or (summaries[0] if summaries else "-")
            since = moment(one["opened_at"], now_ms=now_ms)
            halted = str(one["open_scopes"])
            table.add_row(Text(one["key"], "bold"), since, Text(by), halted, Text(sent or "nobody"), Text(reason))
        console.print(table)
    else:
        typer.echo("No incident; `halt400 alerts routes` says who is alerted.")
    what = f"{len(found)} of {answer['total']}" if len(found) < answer["total"] else str(answer["total"])
    typer.echo(f"{what} incident{'' if answer['total'] == 1 else 's'}; as of {moment(now_ms, now_ms=now_ms)}")


def send_tests(
    route: Annotated[list[str] | None, typer.Option(help="Only this route; may be repeated.")] = None,
    keep_open: Annotated[bool, typer.Option("--keep-open", help="Do not resolve it at once.")] = False,
    file: File = None,
    output: Format = "table",
) -> None:
    """Send a real message through every route, marked as a test, and resolve it.

    Quiet hours do not delay it.

    Exit codes: 0 every sink accepted it, 1 one did not.

    Example: halt400 alerts test --route pages
    """
    from streams.alerts.route_check import check_routes
    from streams.api.alert_routes import sink_kind

    config = _load(file)
    known = {found.name for found in config.routing.routes}
    for name in route or ():
        if name not in known:
            raise typer.BadParameter(f"no such route; there are {', '.join(sorted(known))}", param_hint="--route")
    chosen = [found for found in config.routing.routes if not route or found.name in route]
    now_ms = time.time_ns() // 1_000_000
    checks = _run_with_sinks(config, lambda sinks: check_routes(chosen, sinks, now_ms, keep_open=keep_open))
    names = ("route", "sink", "kind", "action", "outcome", "detail")
    rows = [
        (one.route, one.sink, sink_kind(config, one.sink), one.action, one.result.outcome, one.result.detail)
        for one in checks
    ]
    if output == "json":
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        console, table = tables_on("Route", "Sink", "Kind", "Message", "Outcome", "Answer")
        for *first, outcome, detail in rows:
            table.add_row(*first, Text(outcome, _OUTCOMES[outcome]), Text(detail))
        console.print(table)
    if any(check.result.outcome != "accepted" for check in checks):
        raise typer.Exit(1)


def routes(
    target: Annotated[str | None, typer.Option(help="Which routes a quarantine on this target goes by.")] = None,
    job: Annotated[str | None, typer.Option(help="Of this job; without it, of the target as a whole.")] = None,
    file: File = None,
    output: Format = "table",
) -> None:
    """List the routes: what each accepts, its sinks, and how long it waits; needs no Kafka and no secrets.

    Exit codes: 0 listed, 1 nobody would be notified, or halt400.toml is wrong.

    Example: halt400 alerts routes --target api.shop.example --job extract-099
    """
    config = _load(file)
    if target is None:
        if job is not None:
            raise typer.BadParameter("needs --target", param_hint="--job")
        _print_routes(config, output)
    else:
        _print_sinks_for(config, target, job, output)


def resend(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also alerts of incidents that are closed.")] = False,
    file: File = None,
    output: Format = "table",
) -> None:
    """Send again what no sink accepted, from the topic alerts.dlq; what fails again stays there.

    Exit codes: 0 everything was sent or is over, 1 something was not accepted.

    Example: halt400 alerts resend --dry-run
    """
    from streams.alerts.dead_letters import resend as resend_dead_letters

    config, kafka = _load(file), _kafka()
    results = _run_with_sinks(
        config,
        lambda sinks: resend_dead_letters(kafka.connection, kafka.partitions, sinks, dry_run=dry_run, force=force),
    )
    if output == "json":
        print_json([one._asdict() for one in results])
    else:
        _print_resent(results)
    if any(one.result in ("kept", "unreadable") for one in results):
        raise typer.Exit(1)


def _print_resent(results: "list[ResendResult]") -> None:
    if not results:
        typer.echo("Nothing to send: everything on alerts.dlq was sent again already.")
        return
    console, table = tables_on("Partition", "Offset", "Sink", "Alert", "Result", "Detail", numbers=("Offset",))
    for one in results:
        result = Text(one.result, _RESULTS[one.result])
        table.add_row(str(one.partition), str(one.offset), one.sink, Text(one.title), result, Text(one.detail))
    console.print(table)


def ack(
    incident: Annotated[str, typer.Argument(help="The incident's key, as `halt400 alerts list` has it.")],
    by: Annotated[
        str | None, typer.Option(help="Who works on it.", show_default="the name you are logged in by")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, or what is being done; it is recorded.")] = None,
) -> None:
    """Acknowledge an incident: every sink is sent who works on it, and it is not escalated any more.

    Exit codes: 0 acknowledged, 1 no such incident is open.

    Example: halt400 alerts ack api.shop.example/malformed_json/1db0c6a957d0
    """
    from streams.alerts.alerts_topic import acknowledge
    from streams.alerts.incident import Acknowledgement

    who = by or getpass.getuser()
    acknowledgement = Acknowledgement(by=who, at=time.time_ns() // 1_000_000, reason=reason)
    found = asyncio.run(acknowledge(_kafka(), incident.removeprefix("halt400/"), acknowledgement))
    typer.echo(f"{found.key} is acknowledged by {who}; {len(found.open_scopes())} still halted.")


def _run_with_sinks(config: "AlertsConfig", work: "Callable[[dict[str, Sink]], Awaitable[T]]") -> T:
    async def run() -> T:
        async with config.open_sinks(os.environ) as sinks:
            return await work(sinks)

    return asyncio.run(run())


def _load(file: Path | None) -> "AlertsConfig":
    """The section of the file that the worker reads too.

    Raises
    ------
    SettingError
        There is no file with it, so nobody is alerted.
    """
    from streams.alerts.config import has_alerts, load_alerts
    from streams.settings import load_settings

    path = file or load_settings().config.found
    if not has_alerts(path):
        reason = f"{path} has no section [alerts]" if path is not None else "there is no halt400.toml here"
        raise SettingError(
            f"No alerts are sent: {reason}.",
            "docs/alerts.md has what to write; the line [alerts] alone writes alerts to the worker's output.",
        )
    return load_alerts(path)


def _kafka() -> "KafkaSettings":
    from streams.settings import load_settings

    return load_settings().kafka


def _print_routes(config: "AlertsConfig", output: OutputFormat) -> None:
    from msgspec import to_builtins

    from streams.api.alert_routes import show_route, sink_kind

    if output == "json":
        print_json([to_builtins(show_route(config, route)) for route in config.routing.routes])
        return
    console, table = tables_on("Route", "Targets", "Severity", "Owner", "Sinks", "Waits", "Quiet hours", "Escalates to")
    for route in config.routing.routes:
        quiet = route.quiet_hours
        table.add_row(
            Text(route.name, "bold"),
            ", ".join(route.targets),
            ", ".join(sorted(route.severities)) if route.direct else "by escalation only",
            ", ".join(route.owners) or "any",
            ", ".join(f"{sink} ({sink_kind(config, sink)})" for sink in route.sinks),
            f"{span(route.group_wait_s)}, then {span(route.group_interval_s)}",
            f"{quiet.start:%H:%M}-{quiet.end:%H:%M} {quiet.zone}" if quiet is not None else "-",
            f"{route.escalate_to} after {span(route.escalate_after_s)}" if route.escalate_to else "-",
        )
    console.print(table)


def _print_sinks_for(config: "AlertsConfig", target: str, job: str | None, output: OutputFormat) -> None:
    from msgspec import to_builtins

    from streams.api.alert_routes import plan_for

    planned, owner = plan_for(config, target, job)
    if output == "json":
        print_json({"sinks": to_builtins(planned), "owner": owner})
        if not planned:
            raise typer.Exit(1)
        return
    console, table = tables_on("Sink", "Kind", "Route", "Severity", "Notified after")
    for one in planned:
        table.add_row(Text(one.sink, "bold"), one.kind, one.route, one.severity, span(one.after_s))
    if not planned:
        what = f"{job} on {target}" if job is not None else target
        console.print(Text(visible_text(f"No route accepts a quarantine of {what}: nobody would be notified.")))
        raise typer.Exit(1)
    console.print(table)
    console.print(Text(f"Owner: {owner or 'none'}", "dim"))
