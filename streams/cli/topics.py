"""`halt400 topics`: create the topics, compare them with their declarations, list the declarations."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text

from streams.cli.output import OutputFormat, print_json, tables_on

if TYPE_CHECKING:
    from streams.settings import KafkaSettings
    from streams.topics import Declaration, Difference

__all__ = ["register"]

Part = Literal["scraper", "worker", "api", "operator", "installer"]
Format = Annotated[OutputFormat, typer.Option("--format", help="A table, or JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    topics = typer.Typer(
        name="topics",
        no_args_is_help=True,
        help="Create the topics on Kafka, and compare them with their declarations.\n\nExample: halt400 topics check",
    )
    app.add_typer(topics)

    @topics.command()
    def apply(output: Format = "table") -> None:
        """Create the missing topics, and show how the others differ, without a change to them.

        A second call changes nothing.

        Exit codes: 0 all are as declared, 1 some differ.

        Example: halt400 topics apply
        """
        from streams.topics import apply_topics

        kafka = _kafka()
        created, differences = asyncio.run(apply_topics(kafka))
        _print_states(kafka, created, "created", differences, output)

    @topics.command()
    def check(output: Format = "table") -> None:
        """Compare the topics on Kafka with their declarations, without a change.

        Exit codes: 0 all are as declared, 1 some are missing or differ.

        Example: halt400 topics check
        """
        from streams.topics import compare_topics

        kafka = _kafka()
        missing, differences = asyncio.run(compare_topics(kafka))
        _print_states(kafka, missing, "missing", differences, output)
        if missing:
            raise typer.Exit(1)

    @topics.command("list")
    def list_(output: Format = "table") -> None:
        """List the declarations: partitions, replicas and settings of every topic; needs no Kafka.

        Exit codes: 0 listed, 1 a setting is wrong.

        Example: halt400 topics list
        """
        from streams.topics import declarations

        if output == "json":
            print_json([_as_object(topic) for topic in declarations(_kafka())])
            return
        console, table = tables_on("Topic", "Partitions", "Replicas", "Settings", numbers=("Partitions", "Replicas"))
        for topic in declarations(_kafka()):
            replicas = "cluster's" if topic.replication_factor == -1 else str(topic.replication_factor)
            settings = "  ".join(f"{name}={value}" for name, value in topic.config.items())
            table.add_row(topic.name, str(topic.partitions), replicas, settings)
        console.print(table)

    @topics.command()
    def acls(
        part: Annotated[Part, typer.Argument(help="What the user is for.")],
        principal: Annotated[
            str | None, typer.Option(help="As Kafka names the user.", show_default="User:halt400-PART")
        ] = None,
        output: Format = "table",
    ) -> None:
        """List the least rights that a part needs on Kafka, as calls of kafka-acls.sh; needs no Kafka, changes nothing.

        The operator is a person with the command line; the installer is who runs `halt400 topics apply`.

        Exit codes: 0 listed, 1 a setting is wrong.

        Example: halt400 topics acls scraper --principal User:scraper
        """
        from streams.doctor.acls import grants_of, kafka_acls_commands

        if output == "json":
            print_json([grant._asdict() for grant in grants_of(part, _kafka())])
            return
        for command in kafka_acls_commands(part, principal or f"User:halt400-{part}", _kafka()):
            typer.echo(command)


def _kafka() -> "KafkaSettings":
    from streams.settings import load_settings

    return load_settings().kafka


def _as_object(topic: "Declaration") -> dict[str, Any]:
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "replication_factor": topic.replication_factor,
        "settings": dict(topic.config),
    }


def _print_states(
    kafka: "KafkaSettings",
    names: Iterable[str],
    word: str,
    differences: "Iterable[Difference]",
    output: OutputFormat,
) -> None:
    """Print a line for each topic, with `word` for those of `names`; exit 1 where some differ."""
    from streams.topics import declarations

    listed, differences = set(names), list(differences)
    states = []
    for topic in declarations(kafka):
        wrong = [found for found in differences if found.topic == topic.name]
        state = word if topic.name in listed else "differs" if wrong else "as declared"
        states.append((topic, state, wrong))
    if output == "json":
        print_json(
            [
                {
                    "topic": topic.name,
                    "state": state,
                    "differences": [
                        {"setting": one.setting, "declared": one.declared, "found": one.found} for one in wrong
                    ],
                }
                for topic, state, wrong in states
            ]
        )
    else:
        console, table = tables_on("Topic", "State", "Difference")
        styles = {"created": "green", "missing": "red", "differs": "red"}
        for topic, state, wrong in states:
            reasons = (f"{found.setting} is {found.found}, declared {found.declared}" for found in wrong)
            table.add_row(topic.name, Text(state, styles.get(state, "dim")), "\n".join(reasons))
        console.print(table)
    if differences:
        console = Console(stderr=output == "json", highlight=False)
        console.print(
            "Nothing that is there was changed: use kafka-configs.sh and kafka-topics.sh, or the settings.",
            style="bold",
        )
        raise typer.Exit(1)
