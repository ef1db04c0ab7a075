"""Redaction: replace the secrets in requests, responses, texts and logs, and keep all that a diagnosis needs.

Pure: no clock, network or environment; the key and the rules are values. See `docs/archive.md`.
"""

from halt400.redaction.log_formatter import RedactingFormatter
from halt400.redaction.redactor import Redactor
from halt400.redaction.rules import RedactionRules
from halt400.redaction.tokens import KEY_MIN_BYTES

__all__ = ["KEY_MIN_BYTES", "RedactingFormatter", "RedactionRules", "Redactor"]
