"""`halt400 topics`: create the topics, compare them with their declarations, list the declarations."""

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
        name="topics",
        no_args_is_help=True,
        help="Create the topics on Kafka, and compare them with their declarations.",
    )
    app.add_typer(topics)

    @topics.command()
    def apply() -> None:
        """Create the missing topics, and show how the others differ, without a change to them.

        A second call changes nothing. Exit codes: 0 all are as declared, 1 some differ.

        Example: halt400 topics apply
        """
        from streams.topics import apply_topics

        kafka = _kafka()
        created, differences = asyncio.run(apply_topics(kafka))
        _print_states(kafka, created, "created", differences)

    @topics.command()
    def check() -> None:
        """Compare the topics on Kafka with their declarations, without a change.

        Exit codes: 0 all are as declared, 1 some are missing or differ.

        Example: halt400 topics check
        """
        from streams.topics import compare_topics

        kafka = _kafka()
        missing, differences = asyncio.run(compare_topics(kafka))
        _print_states(kafka, missing, "missing", differences)
        if missing:
            raise typer.Exit(1)

    @topics.command("list")
    def list_() -> None:
        """List the declarations: partitions, replicas and settings of every topic; needs no Kafka.

        Exit codes: 0 listed, 1 a setting is wrong.

        Example: halt400 topics list
        """
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


def _print_states(kafka: "KafkaSettings", names: Iterable[str], word: str, differences: "Iterable[Difference]") -> None:
    """Print a line for each topic, with `word` for those of `names`; exit 1 where some differ."""
    from streams.topics import declarations

    listed, differences = set(names), list(differences)
    console, table = tables_on("Topic", "State", "Difference")
    for topic in declarations(kafka):
        wrong = [found for found in differences if found.topic == topic.name]
        if topic.name in listed:
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
