"""The corpora of real servers: what each answered to each broken request, and the scores."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.diagnosis_score import Score, score_of
from benchmarks.server_matrix.corpus import ASIDE, CORPUS, Cell, cells, split_response
from halt400.diagnosis import find_defect
from halt400.exchanges.raw import read_raw
from halt400.exchanges.recorded import text_or_base64
from halt400.records import Diagnosis, Response

__all__ = ["REFUSALS", "cell_diagnosis", "server_suite"]

REFUSALS = frozenset({400, 411, 413, 414, 417, 426, 431, 501, 505})
"""The statuses with which a server refuses a request for its form; 501 and 505 are about the request, too (RFC 9110
sections 15.6.2 and 15.6.6)."""


def cell_diagnosis(cell: Cell) -> Diagnosis | None:
    """What is found in the request as it was sent and the response as it came back."""
    status, headers, content = split_response(cell.response)
    text, encoded = text_or_base64(content)
    recorded = read_raw(cell.raw)
    response = Response(status=status, headers=headers, body=text, body_base64=encoded)
    return find_defect(recorded.request, response, as_sent=recorded.as_sent, bare_line_feeds=recorded.bare_line_feeds)


def _is_refusal(cell: Cell) -> bool:
    return int(cell.response[9:12]) in REFUSALS and cell.response != cell.reference


def _named(found: Diagnosis | None, cell: Cell) -> bool:
    """Whether the first piece of evidence says the defect itself."""
    detail = found.evidence[0].detail.lower() if found is not None and found.evidence else ""
    return not cell.words or any(word in detail for word in cell.words)


def server_suite(confusion: Counter[tuple[str, str]]) -> list[Score]:
    """The shares of the cells with the right cause, the defect itself, and who answered; of the fine left alone."""
    causes, defects, answerers, fine = _scored(CORPUS, confusion)
    return [
        score_of("Real servers: right cause", causes, 0.92),
        score_of("Real servers: the defect itself is named", defects, 0.92),
        score_of("Real servers: who answered", answerers, 0.95),
        score_of("Real servers: what they took is left alone", fine, 1.0),
        *_aside(),
    ]


def _aside() -> list[Score]:
    """The same of earlier versions of the servers, of which no sign was taken."""
    causes, _, answerers, fine = _scored(ASIDE, Counter())
    return [
        score_of("Earlier versions, aside: right cause", causes, 0.92),
        score_of("Earlier versions, aside: who answered", answerers, 0.9),
        score_of("Earlier versions, aside: what they took is left alone", fine, 1.0),
    ]


_Rows = list[tuple[str, bool]]


def _scored(corpus: Path, confusion: Counter[tuple[str, str]]) -> tuple[_Rows, _Rows, _Rows, _Rows]:
    """For each cell whether the cause, the defect and who answered are right, and whether the fine are left alone."""
    causes: _Rows = []
    defects: _Rows = []
    answerers: _Rows = []
    fine: _Rows = []
    for cell in cells(corpus):
        if cell.cause == "none":
            if cell.response[9:12] == b"200":
                found = cell_diagnosis(cell)
                fine.append((f"{cell.server}: {cell.defect} -> {found.cause if found else ''}", found is None))
            continue
        if not _is_refusal(cell):
            continue
        found = cell_diagnosis(cell)
        cause = found.cause if found is not None else "none"
        confusion[f"servers: {cell.cause}", cause] += 1
        detail = found.evidence[0].detail[:80] if found is not None and found.evidence else ""
        where = f"{cell.server}: {cell.defect}"
        causes.append((f"{where}: {cell.cause} -> {cause} ({detail})", cause == cell.cause))
        defects.append((f"{where}: {detail}", _named(found, cell)))
        said = found.answered_by if found is not None else None
        names = said.split(" or ") if said else []
        answerers.append((f"{where}: {cell.answered_by} -> {said}", any(name in cell.answered_by for name in names)))
    return causes, defects, answerers, fine
