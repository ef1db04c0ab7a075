"""Texts of scrapers and servers as the API shows them: without secrets. What repeats is redacted once."""

from functools import lru_cache

from msgspec.structs import replace

from halt400.records import Diagnosis, Evidence, RequestChange
from halt400.redaction import Redactor

__all__ = ["ShownTexts"]

MOST_CACHED = 8192


class ShownTexts:
    """Redacts single texts, addresses and diagnoses.

    Attributes
    ----------
    redactor
        Redacts whole offences.
    text, url
        Redact one text, one address.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.text = lru_cache(MOST_CACHED)(redactor.text)
        self.url = lru_cache(MOST_CACHED)(redactor.url)

    def diagnosis(self, diagnosis: Diagnosis) -> Diagnosis:
        """Return a diagnosis without secrets; the caret of an excerpt stays at its place."""
        return replace(
            diagnosis,
            remedy=self.text(diagnosis.remedy),
            evidence=list(map(self._evidence, diagnosis.evidence)),
            runners_up=[replace(found, detail=self.text(found.detail)) for found in diagnosis.runners_up],
            ruled_out=list(map(self.text, diagnosis.ruled_out)),
            changes=[
                RequestChange(self.text(one.what), self.text(one.here), self.text(one.usual))
                for one in diagnosis.changes
            ],
        )

    def _evidence(self, evidence: Evidence) -> Evidence:
        detail, excerpt, caret = self.text(evidence.detail), evidence.excerpt, evidence.caret
        if excerpt is None:
            return replace(evidence, detail=detail)
        shown = self.text(excerpt)
        if shown != excerpt and caret is not None:
            before = self.text(excerpt[:caret])
            caret = len(before) if shown.startswith(before) else None
        return replace(evidence, detail=detail, excerpt=shown, caret=caret)
