"""`halt400 explain`: which rule applies to a target, how far each tier is from its threshold, what its last 400 did."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import OutputFormat, print_json, visible_text

if TYPE_CHECKING:
    from streams.settings import KafkaSettings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def explain(
        target: Annotated[str, typer.Argument(help="The target, as `halt400 rates` names it.")],
        timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for Kafka.")] = 20,
        output: Annotated[OutputFormat, typer.Option("--format", help="Text, or one JSON object.")] = "table",
    ) -> None:
        """Explain why a target is quarantined or not: its rule, its evidence in each tier, its last 400.

        The policies are those of this process's settings and files; the evidence is as of the worker's last checkpoint.

        Exit codes: 0 explained, 1 Kafka does not answer, or halt400.toml is wrong.

        Example: halt400 explain api.shop.example
        """
        from msgspec import to_builtins

        from streams.detection import explain as explain_state
        from streams.processing.policy_file import PolicyFile
        from streams.processing.target import TrackedTarget
        from streams.settings import load_settings

        settings = load_settings()
        policies = PolicyFile(settings).policies
        value = asyncio.run(_row(settings.kafka, target, timeout))
        explanation = explain_state(TrackedTarget.decode(value, target).state, policies, int(time.time() * 1000))
        if output == "json":
            print_json(to_builtins(explanation))
            return
        if value is None:
            typer.echo(f"No response of {visible_text(target)} was counted yet; `halt400 rates` lists the targets.")
        for line in explanation.lines():
            typer.echo(visible_text(line))


async def _row(kafka: "KafkaSettings", target: str, timeout_s: float) -> bytes | None:
    from halt400.errors import BrokerUnavailable
    from halt400.rates import RateClient

    async with RateClient(kafka.connection, at_start="raise") as rates:
        try:
            async with asyncio.timeout(timeout_s):
                await rates.wait_caught_up()
        except TimeoutError:
            raise BrokerUnavailable(
                f"{rates.follower.topic} could not be read in {timeout_s:g} s.", "Try again."
            ) from None
        return rates.follower.values.get(target.encode())
