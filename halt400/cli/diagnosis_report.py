"""The text report of `halt400 diagnose`: the cause, the place with a caret under it, the remedy."""

from __future__ import annotations

import sys

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from halt400.diagnosis.cause_titles import CAUSE_TITLES
from halt400.diagnosis.excerpts import mask, visible
from halt400.exchanges import RecordedExchange
from halt400.plural import plural
from halt400.records import Diagnosis, Evidence

__all__ = ["print_report"]

_WIDEST = 100


def print_report(found: list[tuple[RecordedExchange, Diagnosis | None]]) -> None:
    """Print one block for each exchange with a diagnosis, and a summary line."""
    console = Console(highlight=False, soft_wrap=False)
    if console.is_terminal:
        _print(console, found)
        return
    with console.capture() as captured:
        _print(console, found)
    # rich pads lines with spaces, which hinder grep and paste.
    sys.stdout.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))


def _print(console: Console, found: list[tuple[RecordedExchange, Diagnosis | None]]) -> None:
    width = min(console.width, _WIDEST)
    for one, diagnosis in found:
        if diagnosis is not None:
            console.print(_block(one, diagnosis, width), width=width)
    console.print(_summary([diagnosis for _, diagnosis in found]), width=width)


def _block(one: RecordedExchange, diagnosis: Diagnosis, width: int) -> Group:
    request = one.request
    head = Text(overflow="ellipsis", no_wrap=True)
    head.append(visible(mask(request.method[:20])), style="bold")
    head.append(f" {visible(mask(request.url[:400]))}")
    status = f"  {one.response.status}" if one.response is not None else ""
    title = Text.assemble((f" {one.where}{status} ", "dim"))
    parts: list[RenderableType] = [Rule(title, align="left", style="dim"), head, Text()]
    sure = f"{diagnosis.confidence:.0%} sure" if diagnosis.cause != "unknown" else ""
    blame = f"blame: {diagnosis.blame}" if diagnosis.blame != "unknown" else ""
    style = "bold yellow" if diagnosis.cause == "unknown" or diagnosis.confidence < 0.8 else "bold red"
    mark = "?" if diagnosis.cause == "unknown" else "✗"
    name = Text.assemble((f"{mark} {CAUSE_TITLES[diagnosis.cause]}", style))
    tail = "  ·  ".join(piece for piece in (diagnosis.cause, sure, blame) if piece)
    name.append(f"   {tail}", style="dim")
    parts.append(name)
    if diagnosis.changes:
        parts.append(Text("  changed since the last good requests:", style="cyan"))
        parts.extend(Text(f"    {one.what}: {one.here}; usual: {one.usual}") for one in diagnosis.changes[:6])
    parts.extend(Padding.indent(_evidence(evidence, width - 4), 2) for evidence in diagnosis.evidence)
    parts.append(Text())
    remedy = Table.grid(padding=(0, 1))
    remedy.add_row(Text("→", style="bold green"), Text(diagnosis.remedy, style="green"))
    parts.append(remedy)
    parts.extend(_rest(diagnosis))
    parts.append(Text())
    return Group(*parts)


def _evidence(evidence: Evidence, width: int) -> Group:
    lines: list[Text] = []
    place = evidence.where.replace("_", " ")
    if evidence.name:
        place += f" {evidence.name}"
    if evidence.line is not None and evidence.excerpt is not None:
        place += f", line {evidence.line}, column {evidence.column}"
    if evidence.offset is not None and evidence.excerpt:
        place += f", byte {evidence.offset}"
    lines.append(Text.assemble((place, "cyan"), ("  ", ""), (evidence.detail, "")))
    if evidence.excerpt and evidence.caret is not None:
        excerpt, caret = _fitted(evidence.excerpt, evidence.caret, max(20, width - 4))
        shown = Text("  │ ", style="dim", no_wrap=True, overflow="crop")
        shown.append(excerpt[:caret], style="not dim")
        shown.append(excerpt[caret : caret + 1], style="not dim bold red")
        shown.append(excerpt[caret + 1 :], style="not dim")
        below = Text("  │ ", style="dim", no_wrap=True, overflow="crop")
        below.append(" " * Text(excerpt[:caret]).cell_len)
        below.append("^", style="not dim bold red")
        lines.extend((shown, below))
    return Group(*lines)


def _fitted(excerpt: str, caret: int, width: int) -> tuple[str, int]:
    """Cut an excerpt to the width of the terminal so that the caret stays visible."""
    if len(excerpt) + 1 <= width:
        return excerpt, caret
    start = max(0, min(caret - width // 2, len(excerpt) - width + 1))
    piece = excerpt[start : start + width - 1]
    if start:
        piece = "…" + piece[1:]
    return piece, caret - start


def _rest(diagnosis: Diagnosis) -> list[Text]:
    lines = []
    if diagnosis.runners_up:
        shown = [f"{runner.cause} ({runner.confidence:.0%}) {runner.detail}" for runner in diagnosis.runners_up[:3]]
        lines.append(Text("also considered: " + "; ".join(shown), style="dim"))
    if diagnosis.cause == "unknown" and diagnosis.ruled_out:
        lines.append(Text("ruled out: " + "; ".join(diagnosis.ruled_out) + ".", style="dim"))
    figures = diagnosis.figures
    if figures is not None and figures.url_encoding_failures:
        lines.append(
            Text(f"characters of the URL that should have been escaped: {figures.url_encoding_failures}", style="dim")
        )
    return lines


def _summary(diagnoses: list[Diagnosis | None]) -> Text:
    total = len(diagnoses)
    named = sum(found is not None and found.cause != "unknown" for found in diagnoses)
    unknown = sum(found is not None and found.cause == "unknown" for found in diagnoses)
    requests = plural(total, "request")
    if not named and not unknown:
        return Text.assemble(("✓ ", "bold green"), f"No defect found in {requests}.")
    text = Text.assemble((f"{named} of {requests} with a defect", "bold red" if named else "bold"))
    if unknown:
        text.append(f", {unknown} refused for an unknown cause")
    return text.append(".")
