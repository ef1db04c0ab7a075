"""`halt400 topics`: make the topics, compare them with their declarations, list these."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from streams.cli.output import tables_on

if TYPE_CHECKING:
    from streams.settings import KafkaSettings
    from streams.topics import Difference

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    topics = typer.Typer(
        name="topics", no_args_is_help=True, help="Make the topics on Kafka, and compare them with what they must be."
    )
    app.add_typer(topics)

    @topics.command()
    def apply() -> None:
        """Make the topics that are not there; leave the others, and tell how they differ.

        Calling it again changes nothing. Exit codes: 0 all are as declared, 1 some differ.
        """
        from streams.topics import apply_topics

        kafka = _kafka()
        made, differences = asyncio.run(apply_topics(kafka))
        _tell(kafka, made, "created", differences)

    @topics.command()
    def check() -> None:
        """Compare the topics on Kafka with their declarations, and change nothing.

        Exit codes: 0 all are as declared, 1 some are missing or differ.
        """
        from streams.topics import compare_topics

        kafka = _kafka()
        missing, differences = asyncio.run(compare_topics(kafka))
        _tell(kafka, missing, "missing", differences)
        if missing:
            raise typer.Exit(1)

    @topics.command("list")
    def list_() -> None:
        """List what is declared: partitions, replicas and settings of every topic; needs no Kafka."""
        from streams.topics import declarations

        console, table = tables_on("Topic", "Partitions", "Replicas", "Settings", numbers=("Partitions", "Replicas"))
        for topic in declarations(_kafka()):
            replicas = "cluster's" if topic.replication_factor == -1 else str(topic.replication_factor)
            settings = "  ".join(f"{name}={value}" for name, value in topic.config.items())
            table.add_row(topic.name, str(topic.partitions), replicas, settings)
        console.print(table)


def _kafka() -> "KafkaSettings":
    from streams.settings import load_settings

    return load_settings().kafka


def _tell(kafka: "KafkaSettings", news: Iterable[str], word: str, differences: "Iterable[Difference]") -> None:
    """Print a line for each topic; exit 1 where some differ."""
    from streams.topics import declarations

    new, differences = set(news), list(differences)
    console, table = tables_on("Topic", "State", "Difference")
    for topic in declarations(kafka):
        wrong = [found for found in differences if found.topic == topic.name]
        if topic.name in new:
            state = Text(word, "green" if word == "created" else "red")
        elif wrong:
            state = Text("differs", "red")
        else:
            state = Text("as declared", "dim")
        table.add_row(
            topic.name,
            state,
            "\n".join(f"{found.setting} is {found.found}, declared {found.declared}" for found in wrong),
        )
    console.print(table)
    if differences:
        console.print(
            "Nothing that is there was changed: use kafka-configs.sh and kafka-topics.sh, or the settings.",
            style="bold",
        )
        raise typer.Exit(1)
