"""`halt400 what-if`: what another rule would have done to the recent responses of a target."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from halt400.plural import plural
from streams.cli.operations import seconds_of
from streams.cli.output import OutputFormat, moment, print_json, ratio, tables_on, visible_text

if TYPE_CHECKING:
    from streams.replay.what_if import WhatIf

__all__ = ["register"]

NICENESS = 10
MOST_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("what-if")
    def what_if(
        target: Annotated[str, typer.Argument(help="The target, as `halt400 rates` names it.")],
        policy: Annotated[Literal["strict", "evidence"] | None, typer.Option(help="Another policy.")] = None,
        job_tier: Annotated[
            Literal["ticket", "page"] | None, typer.Option(help="Another tier at which a job is quarantined.")
        ] = None,
        hold: Annotated[str | None, typer.Option(help="Another hold: 90s, 30m, 2h, 1d.")] = None,
        least_p0: Annotated[
            float | None, typer.Option(min=1e-7, max=0.5, help="Another floor of the null ratio, 0 to 0.5.")
        ] = None,
        hours: Annotated[int, typer.Option(min=1, max=72, help="How far back.")] = 24,
        output: Annotated[OutputFormat, typer.Option("--format", help="Tables, or one JSON object.")] = "table",
    ) -> None:
        """Show what another rule would have done to the recent responses of a target, beside the rule in force.

        It processes the newest responses on Kafka as the worker does, at most 20,000. What gates did not send is not
        among them.

        Exit codes: 0 shown, 1 Kafka does not answer, or halt400.toml is wrong.

        Example: halt400 what-if api.shop.example --policy evidence --hold 30m
        """
        from msgspec import to_builtins

        from streams.processing.policy_file import PolicyFile
        from streams.replay.what_if import Changes
        from streams.replay.what_if import what_if as process
        from streams.settings import load_settings

        os.nice(NICENESS)
        settings = load_settings()
        changes = Changes(policy=policy, job_tier=job_tier, hold_s=seconds_of(hold), least_p0=least_p0)
        found = asyncio.run(process(settings, PolicyFile(settings).policies, target, changes, hours))
        if output == "json":
            print_json(to_builtins(found))
        else:
            _print(found)


def _print(found: "WhatIf") -> None:
    if found.since is None:
        typer.echo(f"No response of {visible_text(found.target)} in the last {found.hours} h is on Kafka.")
        return
    console, table = tables_on("", "In force", "Changed", numbers=("In force", "Changed"))
    sides = (found.in_force, found.changed)
    for title, values in (
        ("policy", [side.rule.policy for side in sides]),
        ("tier of a job", [side.rule.job_tier for side in sides]),
        ("hold, s", [f"{side.rule.hold_s:,}" for side in sides]),
        ("least normal ratio", [ratio(side.rule.least_p0) for side in sides]),
        ("jobs quarantined", [f"{side.estimate.jobs_held:,}" for side in sides]),
        ("targets quarantined", [f"{side.estimate.targets_held:,}" for side in sides]),
        ("single requests quarantined", [f"{side.estimate.requests_held:,}" for side in sides]),
        ("requests not sent", [f"{side.estimate.requests_saved:,}" for side in sides]),
    ):
        table.add_row(title, *values)
    console.print(table)
    if found.changed.quarantines:
        console.print(
            "The changed rule would have quarantined:"
            if len(found.changed.quarantines) <= MOST_SHOWN
            else f"Of what the changed rule would have quarantined, the first {MOST_SHOWN}:"
        )
    now_ms = max((one.at for one in found.changed.quarantines), default=found.since)
    for one in found.changed.quarantines[:MOST_SHOWN]:
        line = f"{moment(one.at, now_ms=now_ms)} {one.scope}: {one.reason}"
        console.print(Text(visible_text(line)))
    cut = ", the newest" if found.is_cut else ""
    typer.echo(f"{plural(found.responses, 'response')}{cut}, {found.bad_requests:,} of them 400s, in {found.hours} h.")
