"""`halt400 dead-letters`: list the records that the worker refused, show one, publish again what can be taken."""

import asyncio
import getpass
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from halt400.errors import InputError
from streams.cli.output import OutputFormat, moment, print_json, tables_on, visible_text

if TYPE_CHECKING:
    from streams.dead_letters import RefusedRecord
    from streams.settings import KafkaSettings

__all__ = ["register"]

SHOWN_CHARACTERS = 4000
_RESULTS = {"sent": "green", "waiting": "yellow", "done": "dim", "refused": "red"}
_WORDS = {
    "sent": "published again",
    "waiting": "would be published",
    "done": "done before",
    "refused": "would be refused again",
}

Output = Annotated[OutputFormat, typer.Option("--format", help="How to print.")]
LetterId = Annotated[str, typer.Argument(metavar="ID", help="Partition and offset, as `list` has it: 3-4711.")]
Code = Annotated[str | None, typer.Option("--error", help="Only with this code, such as wrong_partition.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    letters = typer.Typer(
        name="dead-letters",
        no_args_is_help=True,
        help="Records that the worker refused. Alerts that no sink took: `halt400 alerts resend`.\n\n"
        "Example: halt400 dead-letters list",
    )
    app.add_typer(letters)
    letters.command("list")(list_letters)
    letters.command()(show)
    letters.command("redrive")(redrive_letters)


def list_letters(
    error: Code = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most lines to show, the newest.")] = 50,
    output: Output = "table",
) -> None:
    """List the newest dead letters: what is wrong with each, and where it came from.

    Exit codes: 0 listed, 1 Kafka does not answer.

    Example: halt400 dead-letters list --error wrong_partition
    """
    from streams.dead_letters import read_letters

    read = asyncio.run(read_letters(_kafka().connection, newest=limit if error is None else None))
    letters = [letter for letter in read.letters if error in (None, letter.error)][-limit:][::-1]
    if output == "json":
        print_json([_as_object(letter, letter.id in read.redriven) for letter in letters])
        return
    if not letters:
        typer.echo("No dead letters.")
        return
    console, table = tables_on("ID", "Refused", "Code", "Key", "What is wrong", "State")
    now_ms = letters[0].at_ms
    for letter in letters:
        state = Text("redriven", "dim") if letter.id in read.redriven else Text("open", "bold red")
        table.add_row(
            Text(letter.id, "bold"),
            moment(letter.at_ms, now_ms=now_ms),
            Text(letter.error),
            Text(_text(letter.key)),
            Text(visible_text(letter.message)),
            state,
        )
    console.print(table)
    codes = Counter(letter.error for letter in letters if letter.id not in read.redriven)
    typer.echo(f"{len(letters)} shown; open: {', '.join(f'{n} {code}' for code, n in codes.most_common()) or 'none'}")


def show(letter_id: LetterId, output: Output = "table") -> None:
    """Show one dead letter: why it was refused, its headers and its value, redacted.

    Exit codes: 0 shown, 1 there is none.

    Example: halt400 dead-letters show 3-4711
    """
    from streams.archive.redaction import redactor_of
    from streams.dead_letters import read_letters, refusal_now
    from streams.settings import load_settings

    _check_id(letter_id)
    settings = load_settings()
    found: list[RefusedRecord] = []
    read = asyncio.run(
        read_letters(settings.kafka.connection, take=lambda one: found.append(one) if one.id == letter_id else None)
    )
    if not found:
        raise InputError(f"There is no dead letter {letter_id}.", "`halt400 dead-letters list` has their ids.")
    letter, redactor = found[0], redactor_of(settings)
    value = redactor.text((letter.value or b"").decode(errors="replace"))
    _, refusal = refusal_now(letter, settings.kafka.connection, settings.kafka.partitions)
    if output == "json":
        headers = {name: redactor.text(text.decode(errors="replace")) for name, text in letter.headers}
        shown = _as_object(letter, letter_id in read.redriven)
        print_json(shown | {"headers": headers, "value": value, "refused_again": refusal})
        return
    cut = f"\n… {len(value) - SHOWN_CHARACTERS} more characters" if len(value) > SHOWN_CHARACTERS else ""
    state = "redriven" if letter_id in read.redriven else "open"
    for name, text in (
        ("Dead letter", f"{letter.id}, {state}"),
        ("Refused", f"{letter.error}: {letter.message}"),
        ("Came from", f"{letter.topic}, partition and offset {letter.source}"),
        ("Key", _text(letter.key)),
        *((f"Header {name}", redactor.text(text.decode(errors="replace"))) for name, text in letter.headers),
        (
            "Redrive",
            f"would be refused again: {refusal}"
            if refusal
            else "the worker would take it: halt400 dead-letters redrive " + letter.id,
        ),
    ):
        typer.echo(f"{visible_text(name):<12} {visible_text(text)}")
    typer.echo(f"\n{visible_text(value[:SHOWN_CHARACTERS], lines=True)}{cut}")


def redrive_letters(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="These, as `list` has them.")] = None,
    error: Code = None,
    all_: Annotated[bool, typer.Option("--all", help="All that were not published again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be published.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; the mark of each records it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Output = "table",
) -> None:
    """Publish dead letters again, each once: with key = target, to the partition where that belongs.

    That mends a wrong key and a wrong partition. What the worker would refuse again stays. An event keeps its time: an
    old 400 is counted, and halts nothing.

    Exit codes: 0 all were published, or were before; 1 the worker would refuse some again.

    Example: halt400 dead-letters redrive --error wrong_partition --dry-run
    """
    from streams.dead_letters import redrive

    for one in ids or ():
        _check_id(one)
    if not (ids or error or all_):
        raise typer.BadParameter("say which: IDs, --error CODE or --all")
    kafka, chosen = _kafka(), set(ids or ())

    def wanted(letter: "RefusedRecord") -> bool:
        return (not chosen or letter.id in chosen) and error in (None, letter.error)

    planned = asyncio.run(redrive(kafka.connection, kafka.partitions, wanted, dry_run=True))
    missing = chosen - {one.id for one in planned}
    if missing:
        raise InputError(
            f"There is no dead letter {', '.join(sorted(missing))}.", "`halt400 dead-letters list` has their ids."
        )
    count = sum(one.result == "waiting" for one in planned)
    if not dry_run and count:
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Publish {count} of {len(planned)} dead letters to {kafka.topic('responses')}?", abort=True)
        who = getpass.getuser()
        planned = asyncio.run(redrive(kafka.connection, kafka.partitions, wanted, by=who, reason=reason))
    if output == "json":
        print_json([one._asdict() for one in planned])
    else:
        _print_results(planned)
    if any(one.result == "refused" for one in planned):
        raise typer.Exit(1)


def _print_results(results: list[Any]) -> None:
    if not results:
        typer.echo("No dead letters.")
        return
    console, table = tables_on("ID", "Target", "Code", "Result", "Detail")
    for one in results:
        result = Text(_WORDS[one.result], _RESULTS[one.result])
        table.add_row(one.id, Text(visible_text(one.target)), one.error, result, Text(visible_text(one.detail)))
    console.print(table)
    counts = Counter(one.result for one in results)
    typer.echo(", ".join(f"{number} {_WORDS[result]}" for result, number in counts.items()))


def _as_object(letter: "RefusedRecord", redriven: bool) -> dict[str, Any]:
    return {
        "id": letter.id,
        "refused_at": letter.at_ms,
        "error": letter.error,
        "message": letter.message,
        "topic": letter.topic,
        "source": letter.source,
        "key": _text(letter.key) if letter.key is not None else None,
        "redriven": redriven,
    }


def _text(key: bytes | None) -> str:
    return "(none)" if key is None else visible_text(key.decode(errors="replace")[:200])


def _check_id(text: str) -> None:
    if re.fullmatch(r"\d{1,9}-\d{1,18}", text, re.ASCII) is None:
        raise typer.BadParameter(f"{text!r}: partition and offset, such as 3-4711", param_hint="ID")


def _kafka() -> "KafkaSettings":
    from streams.settings import load_settings

    return load_settings().kafka
