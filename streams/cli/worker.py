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
    ) -> None:
        """Run one worker until Ctrl-C. Start as many as there are partitions; they share the work.

        Every setting is an environment variable: `halt400 settings` lists them. The worker refuses to start on topics
        that are not as declared: `halt400 topics apply` makes them.

        Exit codes: 0 stopped on demand, 1 could not start, 70 ended by a failure with nothing lost: start it again.

        Example: halt400 worker --role detect
        """
        from streams.settings import load_settings
        from streams.worker.run import run_worker

        run_worker(load_settings(), role)
