"""`halt400 diagnose`: say what is wrong with recorded or planned requests."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import orjson
import typer

from halt400.cli.diagnosis_report import print_report
from halt400.diagnosis import find_defect
from halt400.diagnosis.excerpts import mask
from halt400.errors import InputError
from halt400.exchanges import (
    DIAGNOSIS_FORMS,
    LARGEST_INPUT_BYTES,
    DiagnosisForm,
    InputFile,
    RecordedExchange,
    read_for_diagnosis,
)
from halt400.records import Diagnosis

__all__ = ["register"]

DEFECTS_FOUND = 3


def register(app: typer.Typer) -> None:
    """Add `diagnose` to the command line."""

    @app.command()
    def diagnose(
        file: Annotated[str, typer.Argument(metavar="FILE|-", help="What to read; - is standard input.")],
        form: Annotated[
            str,
            typer.Option("--input", metavar="FORM", help="auto, har, raw (bytes as they were sent), curl or jsonl."),
        ] = "auto",
        output: Annotated[
            str, typer.Option("--format", metavar="FORMAT", help="text, or json: one object for each exchange.")
        ] = "text",
    ) -> None:
        """Say what is wrong with a request, before or after it was refused.

        Reads a HAR, a raw HTTP/1.1 request, a curl command line, or JSON lines of exchanges. Exit code 0: no defect
        found, 3: defects found, 1: the input cannot be read.
        """
        if output not in ("text", "json"):
            raise InputError(f"--format {output} is unknown.", "Known are text and json.")
        exchanges = read_for_diagnosis(_read(file), _known(form))
        found = [(one, find_defect(one.request, one.response, as_sent=one.as_sent)) for one in exchanges]
        if output == "json":
            for number, (one, diagnosis) in enumerate(found):
                sys.stdout.write(orjson.dumps(as_object(number, one, diagnosis)).decode() + "\n")
        else:
            print_report(found)
        if any(diagnosis is not None and diagnosis.cause != "unknown" for _, diagnosis in found):
            raise typer.Exit(DEFECTS_FOUND)


def _known(form: str) -> DiagnosisForm:
    for known in DIAGNOSIS_FORMS:
        if form == known:
            return known
    raise InputError(f"--input {form} is unknown.", f"Known are {', '.join(DIAGNOSIS_FORMS)}.")


def _read(path: str) -> bytes:
    with InputFile(path) as file:
        return file.byte_order_mark + file.read_all(LARGEST_INPUT_BYTES)


def as_object(number: int, one: RecordedExchange, diagnosis: Diagnosis | None) -> dict[str, object]:
    """The JSON object of one exchange; `cause` is null where nothing is wrong."""
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
        "figures": _plain(diagnosis.figures) if diagnosis is not None else None,
    }


def _plain(record: object) -> object:
    return msgspec.to_builtins(record)
