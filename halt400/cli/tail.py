"""`halt400 tail`: follow logs and publish their lines."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from halt400.errors import InputError
from halt400.exchanges import FORMAT_NAMES, FORMATS, chosen_format

if TYPE_CHECKING:
    from halt400.cli.tail_progress import TailProgress
    from halt400.tail import Tail

__all__ = ["register"]

_INTERRUPTED = 130
_GIVE_UP_S = 5.0
_HELP = """Follow logs of servers and proxies, JSON lines, HAR files or flows of mitmproxy; publish every response once.

Knows files again when they are rotated (renamed, or copied and truncated), takes up files that come later, and after a
restart goes on where it stopped. No line is lost or published twice; while Kafka is away it waits.

\b
  halt400 tail /var/log/nginx/access.log --job shop-crawl
  halt400 tail '/var/log/squid/*.log' --from-start
  halt400 tail access.log --log-format '$remote_addr [$time_local] "$host" "$request" $status $body_bytes_sent'
  halt400 tail exchanges.jsonl --once
  halt400 tail --findings

The variables HALT400_KAFKA_* say where Kafka is.

Exit codes: 0 done (--once) or ended by SIGTERM, 1 a file, the state or the topic cannot be used, or no line could be
read, 2 wrong arguments, 130 ended by Ctrl-C.
"""


def register(app: typer.Typer) -> None:
    """Add `tail` to the command line."""

    @app.command(help=_HELP)
    def tail(
        context: typer.Context,
        files: Annotated[
            list[str] | None, typer.Argument(metavar="FILE...", help="Files, or patterns such as 'logs/*.log'.")
        ] = None,
        job: Annotated[
            str | None,
            typer.Option(help="Job of every event.", show_default="the file's name and the path's first segment"),
        ] = None,
        target: Annotated[
            str | None,
            typer.Option(help="Target of every event.", show_default="the line's host, else the file's name"),
        ] = None,
        input_format: Annotated[
            str | None,
            typer.Option(
                "--input",
                metavar="|".join([*FORMATS, "nginx"]),
                help="Format of the files.",
                show_default="recognized file by file",
            ),
        ] = None,
        log_format: Annotated[
            str | None,
            typer.Option(metavar="TEXT", help="The log_format of an nginx, copied from nginx.conf, in single quotes."),
        ] = None,
        from_start: Annotated[
            bool,
            typer.Option("--from-start", help="Read files that it does not know from their beginning."),
        ] = False,
        once: Annotated[
            bool,
            typer.Option("--once", help="Read what is there since the last run, then exit."),
        ] = False,
        findings: Annotated[
            bool,
            typer.Option("--findings", help="Follow no file but what Halt400 finds, as `halt400 findings --follow`."),
        ] = False,
        state: Annotated[
            Path | None,
            typer.Option(help="Where it remembers positions.", show_default="HALT400_STATE_DIR/tail/TOPIC.json"),
        ] = None,
    ) -> None:
        if findings:
            _follow_findings(context)
            return
        if not files:
            raise typer.BadParameter("name at least one file, or give --findings", param_hint="FILE...")
        from halt400.cli.tail_progress import TailProgress
        from halt400.kafka.connection import KafkaConnection
        from halt400.tail import StateFile, Tail, default_state_path

        if input_format is not None and input_format not in FORMAT_NAMES:
            raise typer.BadParameter(f"{input_format!r} is none of {', '.join(FORMAT_NAMES)}", param_hint="--input")
        if "-" in files:
            raise InputError("-: standard input cannot be followed.", "Publish it with: halt400 replay -")
        kafka = KafkaConnection.from_environment()
        topic = kafka.topic("responses")
        with StateFile(state or default_state_path(topic), topic) as state_file, TailProgress() as progress:
            following = Tail(
                files,
                state_file,
                kafka,
                file_format=chosen_format(input_format, log_format),
                target=target,
                job_id=job,
                from_start=from_start,
                once=once,
                tell=progress.tell,
            )
            interrupted = asyncio.run(_run(following, progress))
        if interrupted:
            raise typer.Exit(_INTERRUPTED)
        stats = following.stats
        if stats.unread and stats.unread == stats.lines:
            raise InputError("No line could be read.", "See the lines above for the reasons.")


async def _run(following: Tail, progress: TailProgress) -> bool:
    """Follow until a signal comes; return whether it was Ctrl-C."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # one line of ours says what its many would
    loop, received = asyncio.get_running_loop(), list[signal.Signals]()

    def end(number: signal.Signals) -> None:
        received.append(number)
        following.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    running = asyncio.create_task(following.run())
    shown = asyncio.create_task(progress.show(following.stats))
    stopping = asyncio.create_task(following.stopped())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # What is being sent is noted in the state; without Kafka the next run sends it.
        await asyncio.wait({running}, timeout=_GIVE_UP_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled():
            running.result()
    finally:
        for task in (shown, stopping):
            task.cancel()
    return signal.SIGINT in received


def _follow_findings(context: typer.Context) -> None:
    """Call the service's command, which says how to install it where it is not there."""
    root = cast(Any, context.find_root())
    name, command, arguments = root.command.resolve_command(root, ["findings", "--follow"])
    with command.make_context(name, arguments, parent=root) as inner:
        command.invoke(inner)
