"""`halt400 worker`: read responses, halt what sends broken requests."""

from typing import Annotated, Literal

import typer

__all__ = ["register"]

Role = Literal["all", "detect", "follow-up"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def worker(
        role: Annotated[
            Role, typer.Option(help="detect: read responses; follow-up: archive; all: both, in two processes.")
        ] = "all",
        child: Annotated[
            bool, typer.Option("--child", hidden=True, help="Started by a worker, which stops it.")
        ] = False,
    ) -> None:
        """Run one worker until Ctrl-C. Start as many as there are partitions; they share the work.

        Every setting is an environment variable: `halt400 settings` lists them. The worker refuses to start on topics
        that are not as declared: `halt400 topics apply` makes them.

        SIGTERM or Ctrl-C stops it within HALT400_WORKER_STOP_TIMEOUT_S, whatever does not answer; a second one at once.

        Exit codes: 0 stopped on demand, 1 could not start, 70 ended by a failure: start it again, 75 something that did
        not answer kept it from stopping in time, 130 and 143 ended at once by a second Ctrl-C or SIGTERM. With each of
        them nothing is lost.

        Example: halt400 worker --role detect
        """
        from streams.settings import load_settings
        from streams.worker.run import run_worker

        run_worker(load_settings(), role, is_child=child)
