"""The answers that explain: why a target is halted or not, and what is wrong with a request."""

from typing import Annotated

from msgspec import Meta, Struct

from halt400.records import Diagnosis
from streams.api.models import Answer, Count
from streams.detection import Explanation

__all__ = ["DiagnoseBody", "DiagnoseResult", "DiagnosedRequest", "ExplanationAnswer"]


class ExplanationAnswer(Answer, kw_only=True):
    """All that decides on one target; `lines` says the same for people."""

    explanation: Explanation
    lines: list[str]


class DiagnoseBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A curl command, a HAR, a raw HTTP request, or JSON lines."""

    text: Annotated[str, Meta(min_length=1)]


class DiagnosedRequest(Struct, kw_only=True):
    """One request; `diagnosis` is null where nothing is wrong, `status` where there is no response."""

    where: str
    method: str
    url: str
    status: int | None
    diagnosis: Diagnosis | None


class DiagnoseResult(Struct, kw_only=True):
    """The requests of a text, the first 1,000 of `total`; `problem` says why it cannot be read, null where it can."""

    problem: str | None
    total: Count
    defects: Count
    requests: list[DiagnosedRequest]
