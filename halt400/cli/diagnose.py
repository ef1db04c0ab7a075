"""`halt400 diagnose`: say what is wrong with recorded or planned requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import orjson
import typer

from halt400.errors import InputError
from halt400.exchanges import (
    DIAGNOSIS_FORMS,
    FORMAT_NAMES,
    LARGEST_INPUT_BYTES,
    DiagnosisForm,
    EventBuilder,
    Format,
    InputFile,
    RecordedExchange,
    Unread,
    chosen_format,
    read_for_diagnosis,
)
from halt400.exchanges.formats import server_log_format
from halt400.records import Diagnosis

__all__ = ["register"]

DEFECTS_FOUND = 3


def register(app: typer.Typer) -> None:
    """Add `diagnose` to the command line."""

    @app.command()
    def diagnose(
        file: Annotated[str | None, typer.Argument(metavar="FILE|-", help="What to read; - is standard input.")] = None,
        form: Annotated[
            str,
            typer.Option(
                "--input",
                metavar="FORM",
                help="auto, har, raw (bytes as they were sent), curl, fetch, postman, insomnia, jsonl, "
                "or a format of `halt400 replay`.",
            ),
        ] = "auto",
        log_format: Annotated[
            str | None,
            typer.Option(metavar="TEXT", help="The log_format of an nginx, copied from nginx.conf, in single quotes."),
        ] = None,
        output: Annotated[
            Literal["text", "json"], typer.Option("--format", help="json: one object for each exchange.")
        ] = "text",
        openapi: Annotated[
            Path | None,
            typer.Option(metavar="FILE", help="The OpenAPI document of the target: requests against its contract."),
        ] = None,
        curl: Annotated[
            str | None,
            typer.Option(metavar="COMMAND", help="A curl command, in quotes, instead of a file: read, and never run."),
        ] = None,
        fix: Annotated[
            bool, typer.Option("--fix", help="Print each request mended, where that is mechanical; send nothing.")
        ] = False,
    ) -> None:
        """Say what is wrong with a request, before or after it was refused.

        Reads a HAR, a raw HTTP/1.1 request, a curl command line, JSON lines of exchanges, flows of mitmproxy, or a
        server's log. With --fix, a command for the shell for each request, mended; its secrets are the request's own.

        Exit codes: 0 no defect found (or none left), 3 defects found, 1 the input cannot be read, 2 wrong arguments.

        Example: halt400 diagnose request.har
        """
        # The other commands start without the diagnosis and its patterns.
        from halt400.cli.diagnosed import diagnosed
        from halt400.cli.diagnosis_report import print_report

        if (file is None) == (curl is None):
            raise typer.BadParameter("Give either a file (- is standard input) or --curl 'curl https://…'.")
        if curl is not None:
            exchanges = read_for_diagnosis(curl.encode(), _known("curl"))
        else:
            exchanges = _read(file or "-", form, log_format)
        contract = None
        if openapi is not None:
            from halt400.diagnosis import Contract

            contract = Contract(_contents(openapi))
        if fix:
            from halt400.cli.mended_requests import print_mended

            if print_mended(exchanges, contract, as_json=output == "json"):
                raise typer.Exit(DEFECTS_FOUND)
            return
        found = diagnosed(exchanges, contract)
        if output == "json":
            for number, (one, diagnosis) in enumerate(found):
                sys.stdout.write(orjson.dumps(as_object(number, one, diagnosis)).decode() + "\n")
        else:
            print_report(found)
        if any(diagnosis is not None and diagnosis.cause != "unknown" for _, diagnosis in found):
            raise typer.Exit(DEFECTS_FOUND)


def _read(path: str, form: str, log_format: str | None) -> list[RecordedExchange]:
    with InputFile(path) as file:
        if log_format is not None or (form in FORMAT_NAMES and form not in DIAGNOSIS_FORMS):
            log = chosen_format(form if form != "auto" else None, log_format)
        else:
            log = server_log_format(file) if form == "auto" else None
        if log is not None:
            return list(_read_log(log, file))
        return read_for_diagnosis(file.byte_order_mark + file.read_all(LARGEST_INPUT_BYTES), _known(form))


def _read_log(log: Format, file: InputFile) -> Iterator[RecordedExchange]:
    """Yield the exchanges of a log, each with its whole URL; the first line that cannot be read is an error."""
    builder = EventBuilder(file.label, file.modified_ms)
    for found in log.read(file):
        if isinstance(found, Unread):
            if not found.harmless:
                raise InputError(f"{found}.", found.mend)
            continue
        if found.server_log:
            _, found.request.url = builder.logged_target(found)
        yield found


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}.", "Name a file that can be read.") from None


def _known(form: str) -> DiagnosisForm:
    for known in DIAGNOSIS_FORMS:
        if form == known:
            return known
    known_forms = dict.fromkeys((*DIAGNOSIS_FORMS, *FORMAT_NAMES))
    raise typer.BadParameter(f"{form!r} is none of {', '.join(known_forms)}", param_hint="--input")


def as_object(number: int, one: RecordedExchange, diagnosis: Diagnosis | None) -> dict[str, object]:
    """The JSON object of one exchange; `cause` is null where nothing is wrong."""
    from halt400.diagnosis.excerpts import mask

    return {
        "index": number,
        "exchange": one.where,
        "method": one.request.method,
        "url": mask(one.request.url[:4096]),
        "status": one.response.status if one.response is not None else None,
        "cause": diagnosis.cause if diagnosis is not None else None,
        "blame": diagnosis.blame if diagnosis is not None else None,
        "confidence": diagnosis.confidence if diagnosis is not None else None,
        "remedy": diagnosis.remedy if diagnosis is not None else None,
        "evidence": [_plain(item) for item in diagnosis.evidence] if diagnosis is not None else [],
        "runners_up": [_plain(item) for item in diagnosis.runners_up] if diagnosis is not None else [],
        "ruled_out": diagnosis.ruled_out if diagnosis is not None else [],
        "retry_after_s": diagnosis.retry_after_s if diagnosis is not None else None,
        "changes": [_plain(item) for item in diagnosis.changes] if diagnosis is not None else [],
        "figures": _plain(diagnosis.figures) if diagnosis is not None else None,
    }


def _plain(record: object) -> object:
    return msgspec.to_builtins(record)
