"""`halt400 replay`: publish recorded exchanges through Kafka, or process them without it."""

from typing import Annotated, Literal

import typer

from halt400.errors import InputError
from halt400.exchanges import FORMAT_NAMES, FORMATS, chosen_format
from streams.cli.output import OutputFormat

__all__ = ["register"]

_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def replay(
        files: Annotated[
            list[str], typer.Argument(metavar="FILE...", help="Recordings, gzip or not; - is standard input.")
        ],
        input_format: Annotated[
            str | None,
            typer.Option(
                "--input",
                metavar="|".join((*FORMATS, "nginx")),
                help="Format of the files.",
                show_default="recognized by content",
            ),
        ] = None,
        log_format: Annotated[
            str | None,
            typer.Option(metavar="TEXT", help="The log_format of an nginx, copied from nginx.conf, in single quotes."),
        ] = None,
        target: Annotated[str | None, typer.Option(help="Target of every event, whatever the files say.")] = None,
        job: Annotated[str | None, typer.Option(help="Job of every event, whatever the files say.")] = None,
        times: Annotated[
            Literal["shift", "keep"] | None,
            typer.Option(
                help="shift: to the present, with new ids; keep: times and ids as recorded, always so in a dry run.",
                show_default="shift",
            ),
        ] = None,
        speed: Annotated[
            str, typer.Option(metavar="N|max", help="N times as fast as it was; max: as fast as Kafka takes it.")
        ] = "max",
        strict: Annotated[bool, typer.Option("--strict", help="Stop at the first line that cannot be read.")] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="No Kafka: show what would have been quarantined, when and why.")
        ] = False,
        output: Annotated[OutputFormat, typer.Option("--format", help="Tables, or one JSON object.")] = "table",
    ) -> None:
        """Replay recorded exchanges as events: JSON lines, HAR files, flows of mitmproxy, logs of servers.

        Exit codes: 0 done, 1 nothing could be read (or, with --strict, not everything), 130 interrupted.

        Example: halt400 replay --dry-run access.log
        """
        from streams.cli.replay_report import print_json_report, print_tables
        from streams.cli.replay_session import ReplaySession

        factor = _speed(speed)
        if dry_run and times == "shift":
            raise typer.BadParameter("a dry run uses the recorded times", param_hint="--times")
        if input_format is not None and input_format not in FORMAT_NAMES:
            raise typer.BadParameter(f"{input_format!r} is none of {', '.join(FORMAT_NAMES)}", param_hint="--input")
        session = ReplaySession(files, chosen_format(input_format, log_format), target, job, strict)
        session.check()
        report = session.dry_run() if dry_run else session.publish(factor, keep_times=times == "keep")
        (print_json_report if output == "json" else print_tables)(report)
        if report.interrupted:
            raise typer.Exit(_INTERRUPTED)
        if not report.tally.events:
            raise InputError("No event could be read.", "See the lines above for the reasons.")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise typer.BadParameter(f"{text!r} is neither max nor a number above 0", param_hint="--speed")
    return factor
