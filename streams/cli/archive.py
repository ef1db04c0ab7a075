"""`halt400 archive`: show evidence, send its request again, set its retention, compare it with the log of offences."""

import asyncio
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from halt400.errors import ArchiveError
from streams.cli.output import OutputFormat, print_json, visible_text

if TYPE_CHECKING:
    from halt400.records import Header, Offence, Request, Response
    from streams.archive.verification import Verification
    from streams.settings import Settings

__all__ = ["register"]

EXCERPT = 4000

Uri = Annotated[str, typer.Argument(help="file://… or s3://…: the `archive_uri` of an offence or a command.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    archive = typer.Typer(
        name="archive",
        no_args_is_help=True,
        help="The evidence: 400s, redacted, as HAR.\n\nExample: halt400 archive verify",
    )
    app.add_typer(archive)
    for command in (show, har, curl, init, verify):
        archive.command()(command)


def show(
    uri: Uri,
    raw: Annotated[bool, typer.Option("--raw", help="Only the request, byte for byte, to stdout.")] = False,
) -> None:
    """Show what was sent, what came back, what was wrong with it and what it led to.

    Exit codes: 0 shown, 1 there is no such object, or it cannot be read.

    Example: halt400 archive show s3://evidence/offences/api.shop.example/2026-11-28/o.har
    """
    from halt400.exchanges.resend import raw_request

    offence = _offence(uri)
    if raw:
        sys.stdout.buffer.write(raw_request(offence.event.request))
        return
    _print(offence, Console(highlight=False, soft_wrap=True))


def har(
    uri: Uri,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file.", show_default="stdout")
    ] = None,
) -> None:
    """Fetch the object unchanged: HAR 1.2, for the network panel of a browser's devtools.

    Exit codes: 0 fetched, 1 there is no such object, or it cannot be read.

    Example: halt400 archive har s3://evidence/offences/api.shop.example/2026-11-28/o.har --output o.har
    """
    from streams.settings import load_settings

    settings = load_settings()
    data = _read(settings, uri)
    if output is None:
        sys.stdout.buffer.write(data + b"\n")
    else:
        output.write_bytes(data)


def curl(
    uri: Uri,
    as_archived: Annotated[
        bool,
        typer.Option("--as-archived", help="Do not redact again; only matters for evidence that was never redacted."),
    ] = False,
) -> None:
    """Print a shell command that sends the request again, byte for byte, with tokens in place of its secrets.

    Put the secrets in yourself before you run it. A request that curl would change goes through a plain connection.

    Exit codes: 0 printed, 1 there is no such object, or it cannot be read.

    Example: halt400 archive curl s3://evidence/offences/api.shop.example/2026-11-28/o.har
    """
    from halt400.exchanges.resend import curl_command
    from streams.archive.redaction import redactor_of
    from streams.settings import load_settings

    request = _offence(uri).event.request
    if not as_archived:
        request = redactor_of(load_settings()).request(request)
    typer.echo(curl_command(request))


def init(
    keep_days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="Remove evidence after so many days.", show_default="never"),
    ] = None,
) -> None:
    """Check that evidence can be written, and set how long the bucket keeps it.

    Only the rule of this archive's prefix is set; the bucket's other lifecycle rules stay.

    Exit codes: 0 it can be written, 1 it cannot.

    Example: halt400 archive init --keep-days 90
    """
    from streams.archive import open_archive
    from streams.settings import load_settings

    archive = open_archive(load_settings().archive)
    archive.check()
    typer.echo(f"{archive.base_uri} can be written.")
    if keep_days is not None:
        archive.set_retention(keep_days)
        typer.echo(f"Evidence is removed after {keep_days} days.")


def verify(
    output: Annotated[OutputFormat, typer.Option("--format", help="A summary, or all of it as JSON.")] = "table",
) -> None:
    """Read the archive back and compare it with the log of offences, object by object.

    An object is sound when it is what archiving its offence makes, with the redaction key and the rules that are set.
    An offence that was sampled out has no object; the manifest of its day must count it.

    Exit codes: 0 every offence is there and sound, or counted as sampled out; 1 one is missing, different or
    unreadable, or a manifest is wrong.

    Example: halt400 archive verify --format json
    """
    from functools import partial

    from streams.archive import open_archive
    from streams.archive.offence_archiver import redact_and_cut
    from streams.archive.offence_log import offence_values
    from streams.archive.redaction import redactor_of
    from streams.archive.verification import verify
    from streams.settings import load_settings
    from streams.topics import OFFENCES

    settings = load_settings()
    archive = open_archive(settings.archive)
    found = asyncio.run(
        verify(
            archive,
            offence_values(settings.kafka),
            partial(redact_and_cut, redactor_of(settings)),
            topic=settings.kafka.topic(OFFENCES),
            storm_keep=settings.archive.storm_keep or None,
        )
    )
    if output == "json":
        print_json(asdict(found) | {"whole": found.complete})
    else:
        _print_verification(found, archive.base_uri)
    if not found.complete:
        raise typer.Exit(1)


def _print_verification(found: "Verification", base_uri: str) -> None:
    typer.echo(f"{found.offences} offences in the log, {found.sound} sound in {base_uri}.")
    if found.sampled_out:
        typer.echo(f"{found.sampled_out} were sampled out, and are counted in manifests.")
    for kind in ("missing", "different", "unreadable", "miscounted"):
        count, uris = getattr(found, f"{kind}_count"), getattr(found, kind)
        if count:
            typer.echo(f"{count} {kind}, the first of them:\n  " + "\n  ".join(uris))
    if found.undecodable:
        typer.echo(f"{found.undecodable} records of the log cannot be decoded.")


def _offence(uri: str) -> "Offence":
    from streams.archive.har import offence_of
    from streams.settings import load_settings

    return offence_of(_read(load_settings(), uri))


def _read(settings: "Settings", uri: str) -> bytes:
    """The object at that URI; the error says whether it was sampled out or never existed."""
    from streams.archive import read_uri
    from streams.archive.interface import ArchiveUnavailable
    from streams.archive.sampled_out import find_sampled_out

    try:
        return read_uri(settings.archive, uri)
    except ArchiveUnavailable:
        raise
    except ArchiveError as error:
        sampled_out = find_sampled_out(settings.archive, uri)
        if sampled_out is None:
            raise
        number = asyncio.run(sampled_out.number_in_log(settings.kafka))
        if number is not None and not number[0]:
            raise
        raise sampled_out.as_error(number) from error


def _print(offence: "Offence", console: Console) -> None:
    event, diagnosis = offence.event, offence.diagnosis
    console.print(
        f"[bold]{escape(visible_text(event.target))}[/]  job {escape(visible_text(event.job_id))}  {_when(event.time)}"
    )
    if diagnosis is not None:
        console.print(
            f"[bold red]{diagnosis.cause}[/] ({diagnosis.confidence:.0%}, blame: {diagnosis.blame})\n"
            f"  {escape(visible_text(diagnosis.remedy))}"
        )
        for evidence in diagnosis.evidence:
            place = f" at {evidence.offset}" if evidence.offset is not None else ""
            console.print(f"  {evidence.where}{place}: {escape(visible_text(evidence.detail))}")
    source = offence.source
    console.print(f"[dim]record {source.topic}/{source.partition}/{source.offset}, command {offence.command_id}[/]\n")
    request = event.request
    console.print(f"[bold]> {escape(visible_text(f'{request.method} {request.url}'))} HTTP/{request.http_version}[/]")
    _message(console, "> ", request.headers, request)
    console.print(f"\n[bold]< {event.response.status}[/]")
    _message(console, "< ", event.response.headers, event.response)


def _when(time_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms since the epoch"


def _message(console: Console, mark: str, headers: "list[Header]", message: "Request | Response") -> None:
    for name, value in headers:
        console.print(f"{mark}{escape(visible_text(name))}: {escape(visible_text(value))}")
    if message.body is not None:
        more = f"\n… {len(message.body) - EXCERPT} more characters" if len(message.body) > EXCERPT else ""
        console.print(f"\n{escape(visible_text(message.body[:EXCERPT], lines=True))}[dim]{more}[/]")
    elif message.body_base64 is not None:
        console.print(f"\n[dim]{len(message.body_base64) * 3 // 4} bytes of binary data[/]")
    if message.body_truncated:
        size = f"{message.body_size} bytes in all" if message.body_size is not None else "its full size is not known"
        console.print(f"[dim]cut; {size}[/]")
