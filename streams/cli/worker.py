"""`halt400 worker`: read responses, halt what sends broken requests."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["register"]

Role = Literal["all", "detect", "follow-up"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def worker(
        role: Annotated[
            Role, typer.Option(help="detect: read responses; follow-up: archive and alert; all: both.")
        ] = "all",
        processes: Annotated[
            int | None,
            typer.Option(
                help="Detect processes, which share the partitions.",
                show_default="HALT400_WORKER_PROCESSES, one for each core as partitions and memory allow",
                min=1,
            ),
        ] = None,
        child: Annotated[
            bool, typer.Option("--child", hidden=True, help="Started by a worker, which stops it.")
        ] = False,
        place: Annotated[Path | None, typer.Option(hidden=True, help="Its place among the processes.")] = None,
    ) -> None:
        """Run one worker until Ctrl-C, on all cores of this machine; more of them on others share the work.

        Every setting is an environment variable: `halt400 settings` lists them. The worker refuses to start on topics
        that are not as declared: `halt400 topics apply` makes them.

        A process of the worker that crashes is started again; one that crashes five times in a row ends all with 70.

        SIGTERM or Ctrl-C stops it within HALT400_WORKER_STOP_TIMEOUT_S, whatever does not answer; a second one at once.

        Exit codes: 0 stopped on demand, 1 could not start, 70 ended by a failure: start it again, 75 something that did
        not answer kept it from stopping in time, 130 and 143 ended at once by a second Ctrl-C or SIGTERM. With each of
        them nothing is lost.

        Example: halt400 worker --processes 4
        """
        from streams.settings import load_settings
        from streams.worker.group_place import GroupPlace
        from streams.worker.machine import process_count
        from streams.worker.process_group import run_process_group
        from streams.worker.run import run_worker

        settings = load_settings(worker={} if processes is None else {"processes": processes})
        if place is not None:
            run_worker(settings, is_child=child, place=GroupPlace(place))
        if child or role == "follow-up" or (count := process_count(settings)) == 1:
            run_worker(settings, role, is_child=child)
        run_process_group(settings, role, count)
